// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <iostream>

int main()
{
    boost::asio::io_context context;
    brood::command command("/bin/sh");
    command.arg("-c").arg("echo \"$GREETING from $PWD, home: ${HOME:-none}\"");
    command.env_clear().env("GREETING", "good morning").env("PATH", "/usr/bin:/bin");
    command.current_dir("/usr");

    std::cout << command << std::endl; // flushed, because the child writes to the same stream
    brood::child child = brood::spawn(context, command).value();
    std::cout << child.wait().value() << '\n';
}
