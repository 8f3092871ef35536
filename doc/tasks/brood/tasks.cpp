// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// The ten tasks of doc/ten-tasks.md with brood.
#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

// Task 1: run and get the exit status
asio::awaitable<brood::exit_status> run(brood::command cmd)
{
    co_return co_await brood::async_run(co_await asio::this_coro::executor, cmd);
}

// Task 2: capture stdout
asio::awaitable<std::string> capture(brood::command cmd)
{
    auto executor = co_await asio::this_coro::executor;
    brood::output result = co_await brood::async_output(executor, cmd.err(brood::stdio::inherit()));
    result.status.check().value();
    co_return result.out;
}

// Task 3: write stdin, capture stdout and stderr
asio::awaitable<brood::output> filter(brood::command cmd, std::string input)
{
    auto options = brood::output_options().input(input);
    co_return co_await brood::async_output(co_await asio::this_coro::executor, cmd, options);
}

// Task 4: time limit that also ends the grandchildren
asio::awaitable<brood::exit_status> run_limited(brood::command cmd, brood::duration limit)
{
    auto options = brood::run_options().timeout(limit).stop(brood::stop_plan(SIGKILL, 0s));
    co_return co_await brood::async_run(co_await asio::this_coro::executor, cmd.process_group(), options);
}

// Task 5: at most N children at a time
asio::awaitable<std::vector<brood::error_code>> run_all(std::vector<brood::command> commands, std::size_t limit)
{
    brood::child_group group(co_await asio::this_coro::executor, brood::group_options().max_running(limit));
    std::vector<brood::error_code> errors(commands.size());
    for (std::size_t i = 0; i < commands.size(); ++i)
        if (auto started = co_await group.async_spawn(commands[i], brood::as_result); !started)
            errors[i] = started.error();
    while (auto ended = co_await group.async_next(brood::as_result))
        if (auto success = ended.value().status.check(); !success)
            errors[ended.value().index] = success.error();
    co_return errors;
}

// Task 6: pipeline of two programs
asio::awaitable<std::string> pipe(brood::command first, brood::command second)
{
    auto line = (first | second).err(brood::stdio::inherit());
    brood::pipeline_output result = co_await brood::async_output(co_await asio::this_coro::executor, line);
    brood::pipefail(result.statuses).check().value();
    co_return result.out;
}

// Task 7: output line by line
asio::awaitable<void> follow(brood::command cmd, std::function<void(std::string_view)> on_line)
{
    auto executor = co_await asio::this_coro::executor;
    auto options = brood::output_options().on_out_line(on_line);
    brood::output result = co_await brood::async_output(executor, cmd.err(brood::stdio::inherit()), options);
    result.status.check().value();
}

// Task 8: stop politely, then kill
asio::awaitable<brood::exit_status> stop(brood::child& child, brood::duration grace)
{
    co_return co_await child.async_stop(brood::stop_plan(SIGTERM, grace));
}

// Task 9: request and reply
asio::awaitable<std::vector<std::string>> talk(brood::command cmd, std::vector<std::string> requests)
{
    cmd.in(brood::stdio::piped()).out(brood::stdio::piped());
    brood::child child = co_await brood::async_spawn(co_await asio::this_coro::executor, cmd);
    std::vector<std::string> replies;
    std::string text;
    for (auto const& request : requests) {
        co_await asio::async_write(child.in(), asio::buffer(request + '\n'), asio::use_awaitable);
        auto buffer = asio::dynamic_buffer(text);
        auto size = co_await asio::async_read_until(child.out(), buffer, '\n', asio::use_awaitable);
        replies.push_back(text.substr(0, size - 1));
        text.erase(0, size);
    }
    brood::output rest = co_await child.async_output();
    rest.status.check().value();
    co_return replies;
}

// Task 10: restart after a crash
asio::awaitable<void> keep_running(brood::command cmd, std::chrono::milliseconds pause)
{
    asio::steady_timer timer(co_await asio::this_coro::executor);
    for (;; pause = std::min<std::chrono::milliseconds>(2 * pause, 1min)) {
        brood::exit_status status = co_await brood::async_run(timer.get_executor(), cmd);
        if (status.success())
            co_return;
        std::cerr << status << "; next start in " << pause.count() << " ms\n";
        timer.expires_after(pause);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

// The command line, for the test

using words = std::vector<std::string>;

brood::command to_command(words const& args, std::size_t program = 0)
{
    return brood::command(args.at(program), {args.begin() + static_cast<std::ptrdiff_t>(program) + 1, args.end()});
}

unsigned to_number(std::string const& text)
{
    unsigned number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size())
        throw std::invalid_argument("not a number: " + text);
    return number;
}

void print_line(std::string_view line) { std::cout << line << std::endl; }

asio::awaitable<void> run_task(std::string task, words args)
{
    if (task == "run") {
        std::cout << co_await run(to_command(args)) << '\n';
    } else if (task == "capture") {
        std::cout << co_await capture(to_command(args));
    } else if (task == "filter") {
        std::string input(std::istreambuf_iterator<char>(std::cin), {});
        brood::output result = co_await filter(to_command(args), input);
        std::cout << result.out << result.status << '\n';
        std::cerr << result.err;
    } else if (task == "run-limited") {
        std::cout << co_await run_limited(to_command(args, 1), std::chrono::milliseconds(to_number(args.at(0))))
                  << '\n';
    } else if (task == "run-all") {
        std::vector<brood::command> commands;
        for (auto line = args.begin() + 1; line != args.end(); ++line)
            commands.push_back(brood::command("sh", "-c", *line));
        for (brood::error_code error : co_await run_all(commands, to_number(args.at(0))))
            std::cout << error.message() << '\n';
    } else if (task == "pipe") {
        std::cout << co_await pipe(brood::command("sh", "-c", args.at(0)), brood::command("sh", "-c", args.at(1)));
    } else if (task == "follow") {
        co_await follow(to_command(args), print_line);
    } else if (task == "stop") {
        auto grace = std::chrono::milliseconds(to_number(args.at(0)));
        brood::child child = co_await brood::async_spawn(co_await asio::this_coro::executor, to_command(args, 1));
        std::cin.get();
        std::cout << co_await stop(child, grace) << '\n';
    } else if (task == "talk") {
        words requests(args.begin() + 1, args.end());
        for (auto const& reply : co_await talk(brood::command("sh", "-c", args.at(0)), requests))
            print_line(reply);
    } else if (task == "keep-running") {
        co_await keep_running(to_command(args, 1), std::chrono::milliseconds(to_number(args.at(0))));
    } else {
        throw std::invalid_argument("no such task: " + task);
    }
}

} // namespace

int main(int argc, char** argv)
try {
    if (argc < 3)
        throw std::invalid_argument("usage: tasks TASK ARGUMENT...");
    asio::io_context context{1};
    asio::co_spawn(context, run_task(argv[1], words(argv + 2, argv + argc)), [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    });
    context.run();
    return 0;
} catch (std::logic_error const& error) {
    std::cerr << "tasks: " << error.what() << '\n';
    return 2;
} catch (std::exception const& error) {
    std::cerr << "tasks: " << error.what() << '\n';
    return 1;
}
