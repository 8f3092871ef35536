// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

#include <signal.h>
#include <sys/resource.h>

namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

//! [time]
asio::awaitable<brood::error_code> run_limited(brood::command command, brood::duration limit)
{
    command.process_group(); // signals then reach the processes that the command has started, too
    auto options = brood::run_options().timeout(limit).stop(brood::stop_plan(SIGTERM, 2s).then(SIGINT, 1s));
    auto [error, status] =
        co_await brood::async_run(co_await asio::this_coro::executor, command, options, asio::as_tuple(asio::deferred));
    co_return error; // errc::timed_out if the limit has expired
}
//! [time]

//! [resources]
brood::command restrict_resources(brood::command command)
{
    command.limit(RLIMIT_CPU, 10, 10);                    // seconds
    command.limit(RLIMIT_AS, 1 << 30, 1 << 30);           // bytes
    command.limit(RLIMIT_FSIZE, 100 << 20, 100 << 20);    // bytes of each file
    return command.limit(RLIMIT_NOFILE, 64, 64).nice(10); // descriptors
}
//! [resources]

//! [retry]
asio::awaitable<brood::exit_status> retry(brood::command command, int attempts, brood::duration pause)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (int attempt = 1;; ++attempt) {
        brood::exit_status status = co_await brood::async_run(timer.get_executor(), command);
        if (status.success() || attempt == attempts)
            co_return status;
        timer.expires_after(pause);
        co_await timer.async_wait(asio::use_awaitable);
        pause *= 2;
    }
}
//! [retry]

//! [fail-fast]
// Runs at most `limit` commands at a time. After the first failure, the others are stopped.
asio::awaitable<bool> run_all(std::vector<brood::command> commands, std::size_t limit)
{
    auto options = brood::group_options().max_running(limit).on_failure(brood::failure_policy::stop_rest);
    brood::child_group group(co_await asio::this_coro::executor, options);
    for (auto const& command : commands)
        if (!co_await group.async_spawn(command, brood::as_result))
            break; // it cannot be started, or the group has been stopped
    bool success = true;
    while (auto ended = co_await group.async_next(brood::as_result))
        success = success && ended.value().status.success();
    co_return success;
}
//! [fail-fast]

//! [pipeline]
asio::awaitable<std::string> most_frequent(std::string text)
{
    auto line = brood::command("sort") | brood::command("uniq", "-c") | brood::command("sort", "-rn");
    auto options = brood::output_options().input(text).timeout(1min).limit(1 << 20);
    brood::pipeline_output result = co_await brood::async_output(co_await asio::this_coro::executor, line, options);
    brood::pipefail(result.statuses).check().value(); // throws if a stage has failed
    co_return result.out.substr(0, result.out.find('\n'));
}
//! [pipeline]

asio::awaitable<void> show()
{
    auto executor = co_await asio::this_coro::executor;
    std::cout << (co_await run_limited(brood::command("sleep", "600"), 100ms)).message() << '\n';
    auto open_files = restrict_resources(brood::command::shell("ulimit -n"));
    std::cout << (co_await brood::async_output(executor, open_files)).out;
    std::cout << co_await retry(brood::command::shell("echo x >>tried; test $(wc -l <tried) = 3"), 5, 1ms) << '\n';
    std::vector<brood::command> commands{brood::command("sleep", "600"), brood::command("false")};
    std::cout << (co_await run_all(commands, 2) ? "all have succeeded" : "one has failed") << '\n';
    std::cout << co_await most_frequent("b\na\nb\n") << '\n';
}

} // namespace

int main()
{
    asio::io_context context;
    asio::co_spawn(context, show(), asio::detached);
    context.run();
}
