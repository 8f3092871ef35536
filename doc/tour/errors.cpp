// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <iostream>
#include <system_error>

void start(boost::asio::io_context& context, brood::command const& command)
{
    brood::result<brood::child> child = brood::spawn(context, command);
    if (child) {
        std::cout << command << ": " << child.value().wait().value() << '\n';
        return;
    }
    brood::error_code error = child.error();
    std::cout << brood::describe(command, error) << '\n';
    if (error == std::errc::no_such_file_or_directory && brood::stage_of(error) == brood::spawn_stage::directory)
        std::cout << "  only the directory is missing\n";
}

int main()
{
    boost::asio::io_context context;
    start(context, brood::command("true"));
    start(context, brood::command("no-such-program"));
    start(context, brood::command("true").current_dir("/no/such/directory"));
    start(context, brood::command("true").in(brood::stdio::file("/no/such/file", brood::open_mode::read)));
    start(context, brood::command(""));
}
