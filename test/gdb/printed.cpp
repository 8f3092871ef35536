// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Objects for the pretty printers of gdb. check.py prints them in the function `stop_here`.
#include <brood.hpp>

#include <boost/asio/io_context.hpp>

void stop_here(
    brood::command const& plain, brood::command const& full, brood::exit_status exited, brood::exit_status killed,
    brood::child const& none, brood::child const& running, brood::child const& ended)
{
    // A use of each parameter, so that the debugger finds it.
    asm volatile("" : : "r"(&plain), "r"(&full), "r"(&exited), "r"(&killed), "r"(&none), "r"(&running), "r"(&ended));
}

int main()
{
    brood::command plain("make", "-j4", "it's \377");
    brood::command full("prog", "");
    full.current_dir("/a b").env("A", "1 2").env_remove("K").arg0("name");
    boost::asio::io_context context;
    brood::child none(context.get_executor());
    brood::child running = brood::spawn(context, brood::command("cat").in(brood::stdio::piped())).value();
    brood::child ended = brood::spawn(context, brood::command::shell("exit 3")).value();
    bool const is_right = ended.wait().value().code() == 3;
    stop_here(
        plain, full, brood::exit_status::from_raw(0x300), brood::exit_status::from_raw(0x89), none, running, ended);
    return is_right && running.kill() ? 0 : 1;
}
