// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <fstream>
#include <iostream>

int main()
{
    boost::asio::io_context context;

    // make >build.log 2>&1 </dev/null
    brood::command make = brood::command::shell("echo compiling; echo 'warning: unused' >&2; cat");
    make.in(brood::stdio::null());
    make.out(brood::stdio::file("build.log", brood::open_mode::write));
    make.err(brood::stdio::same_as(1));
    std::cout << brood::spawn(context, make).value().wait().value() << '\n';

    // printf 'done\n' >>build.log
    brood::command append("printf", "done\n");
    append.out(brood::stdio::file("build.log", brood::open_mode::append));
    std::cout << brood::spawn(context, append).value().wait().value() << '\n';

    std::cout << std::ifstream("build.log").rdbuf();
}
