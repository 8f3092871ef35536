// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "plugin.hpp"

#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <string>

#define EXPORTED __attribute__((visibility("default")))

namespace {

brood::command select_reaper(brood::command cmd, bool sigchld)
{
    if (sigchld)
        cmd.watcher(brood::exit_watcher::sigchld);
    return cmd;
}

} // namespace

extern "C" EXPORTED int plugin_run(int code, bool sigchld)
{
    boost::asio::io_context context;
    int reported = -1;
    auto const cmd = brood::command("sh", "-c", "exit " + std::to_string(code));
    brood::async_run(context, select_reaper(cmd, sigchld), [&](brood::error_code ec, brood::exit_status status) {
        if (!ec.failed() && status.code())
            reported = *status.code();
    });
    context.run();
    return reported;
}

extern "C" EXPORTED pid_t plugin_detach(int input, bool sigchld)
{
    boost::asio::io_context context;
    auto const cmd = brood::command("cat").in(brood::stdio::fd(input)).out(brood::stdio::null());
    brood::child child = brood::spawn(context, select_reaper(cmd, sigchld)).value();
    child.detach();
    return child.id();
}
