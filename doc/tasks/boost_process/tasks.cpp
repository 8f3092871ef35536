// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// The ten tasks of doc/ten-tasks.md with Boost.Process v2.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect_pipe.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/writable_pipe.hpp>
#include <boost/asio/write.hpp>
#include <boost/process/v2/environment.hpp>
#include <boost/process/v2/execute.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/process/v2/stdio.hpp>
#include <boost/system/system_error.hpp>

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
#include <tuple>
#include <utility>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
namespace process = boost::process::v2;
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;
using boost::system::error_code;
using boost::system::system_error;
using words = std::vector<std::string>; // a program and its arguments

// Shared by several tasks
template <class... Settings>
process::process start(asio::any_io_executor executor, words const& command, Settings&&... settings)
{
    auto program = process::environment::find_executable(command.front());
    return process::process(executor, program, words(command.begin() + 1, command.end()), settings...);
}

void check(int code)
{
    if (code != 0)
        throw std::runtime_error("exit code " + std::to_string(code));
}

asio::awaitable<void> read_all(asio::readable_pipe& pipe, std::string& text)
{
    auto buffer = asio::dynamic_buffer(text);
    auto [error, size] = co_await asio::async_read(pipe, buffer, asio::as_tuple(asio::use_awaitable));
    if (error != asio::error::eof)
        throw system_error(error);
}

// Task 1: run and get the exit status
asio::awaitable<int> run(words command)
{
    auto child = start(co_await asio::this_coro::executor, command);
    co_await child.async_wait(asio::use_awaitable);
    co_return child.native_exit_code(); // as from waitpid(2): exit_code() is the same for code 9 and signal 9
}

// Task 2: capture stdout
asio::awaitable<std::string> capture(words command)
{
    auto executor = co_await asio::this_coro::executor;
    asio::readable_pipe out(executor);
    auto child = start(executor, command, process::process_stdio{nullptr, out, {}});
    std::string text;
    co_await read_all(out, text);
    check(co_await child.async_wait(asio::use_awaitable));
    co_return text;
}

// Task 3: write stdin, capture stdout and stderr
struct output {
    int status;
    std::string out, err;
};

asio::awaitable<void> write_all(asio::writable_pipe& pipe, std::string const& text)
{
    auto [error, size] = co_await asio::async_write(pipe, asio::buffer(text), asio::as_tuple(asio::use_awaitable));
    if (error && error != asio::error::broken_pipe)
        throw system_error(error);
    pipe.close();
}

asio::awaitable<output> filter(words command, std::string input)
{
    std::signal(SIGPIPE, SIG_IGN); // for the whole process, and inherited by all children
    auto executor = co_await asio::this_coro::executor;
    asio::writable_pipe in(executor);
    asio::readable_pipe out(executor), err(executor);
    auto child = start(executor, command, process::process_stdio{in, out, err});
    output result;
    co_await (write_all(in, input) && read_all(out, result.out) && read_all(err, result.err));
    co_await child.async_wait(asio::use_awaitable);
    result.status = child.native_exit_code();
    co_return result;
}

// Task 4: time limit that also ends the grandchildren
struct own_group {
    template <class Launcher>
    error_code on_exec_setup(Launcher&, process::filesystem::path const&, char const* const*) const
    {
        return ::setpgid(0, 0) == 0 ? error_code() : error_code(errno, boost::system::system_category());
    }
};

asio::awaitable<int> run_limited(words command, std::chrono::milliseconds limit)
{
    auto executor = co_await asio::this_coro::executor;
    auto child = start(executor, command, own_group());
    asio::steady_timer timer(executor, limit);
    auto first = co_await (child.async_wait(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
    if (first.index() == 0)
        co_return child.native_exit_code();
    ::kill(-child.id(), SIGKILL);
    co_await child.async_wait(asio::use_awaitable);
    throw system_error(asio::error::timed_out);
}

// Task 5: at most N children at a time
asio::awaitable<std::vector<std::exception_ptr>> run_all(std::vector<words> commands, std::size_t limit)
{
    auto executor = co_await asio::this_coro::executor;
    std::vector<std::exception_ptr> errors(commands.size());
    std::size_t next = 0;
    auto work = [&]() -> asio::awaitable<void> {
        while (next < commands.size()) {
            auto index = next++;
            try {
                check(co_await start(executor, commands[index]).async_wait(asio::use_awaitable));
            } catch (std::exception const&) {
                errors[index] = std::current_exception();
            }
        }
    };
    std::vector<decltype(asio::co_spawn(executor, work, asio::deferred))> workers;
    for (std::size_t i = 0; i < std::min(limit, commands.size()); ++i)
        workers.push_back(asio::co_spawn(executor, work, asio::deferred));
    auto group = asio::experimental::make_parallel_group(std::move(workers));
    co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
    co_return errors;
}

// Task 6: pipeline of two programs
asio::awaitable<std::string> pipe(words first, words second)
{
    auto executor = co_await asio::this_coro::executor;
    asio::readable_pipe source(executor), out(executor);
    asio::writable_pipe sink(executor);
    asio::connect_pipe(source, sink);
    auto producer = start(executor, first, process::process_stdio{nullptr, sink, {}});
    sink.close();
    auto consumer = start(executor, second, process::process_stdio{source, out, {}});
    source.close();
    std::string text;
    co_await read_all(out, text);
    check(co_await consumer.async_wait(asio::use_awaitable));
    check(co_await producer.async_wait(asio::use_awaitable));
    co_return text;
}

// Task 7: output line by line
asio::awaitable<void> follow(words command, std::function<void(std::string_view)> on_line)
{
    auto executor = co_await asio::this_coro::executor;
    asio::readable_pipe out(executor);
    auto child = start(executor, command, process::process_stdio{nullptr, out, {}});
    std::string text;
    for (error_code error; !error;) {
        std::size_t size;
        auto buffer = asio::dynamic_buffer(text);
        std::tie(error, size) = co_await asio::async_read_until(out, buffer, '\n', asio::as_tuple(asio::use_awaitable));
        if (error && error != asio::error::eof)
            throw system_error(error);
        if (!text.empty())
            on_line(std::string_view(text).substr(0, error ? text.size() : size - 1));
        text.erase(0, size);
    }
    check(co_await child.async_wait(asio::use_awaitable));
}

// Task 8: stop politely, then kill
asio::awaitable<int> stop(process::process& child, std::chrono::milliseconds grace)
{
    child.request_exit();
    asio::steady_timer timer(co_await asio::this_coro::executor, grace);
    auto first = co_await (child.async_wait(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
    if (first.index() == 1) {
        child.terminate();
        co_await child.async_wait(asio::use_awaitable);
    }
    co_return child.native_exit_code();
}

// Task 9: request and reply
asio::awaitable<words> talk(words command, words requests)
{
    std::signal(SIGPIPE, SIG_IGN); // for the whole process, and inherited by all children
    auto executor = co_await asio::this_coro::executor;
    asio::writable_pipe in(executor);
    asio::readable_pipe out(executor);
    auto child = start(executor, command, process::process_stdio{in, out, {}});
    words replies;
    std::string text;
    for (auto const& request : requests) {
        co_await asio::async_write(in, asio::buffer(request + '\n'), asio::use_awaitable);
        auto buffer = asio::dynamic_buffer(text);
        auto size = co_await asio::async_read_until(out, buffer, '\n', asio::use_awaitable);
        replies.push_back(text.substr(0, size - 1));
        text.erase(0, size);
    }
    in.close();
    co_await read_all(out, text);
    check(co_await child.async_wait(asio::use_awaitable));
    co_return replies;
}

// Task 10: restart after a crash
asio::awaitable<void> keep_running(words command, std::chrono::milliseconds pause)
{
    auto executor = co_await asio::this_coro::executor;
    for (;; pause = std::min<std::chrono::milliseconds>(2 * pause, 1min)) {
        auto child = start(executor, command);
        int code = co_await child.async_wait(asio::use_awaitable);
        if (code == 0)
            co_return;
        std::cerr << "exit code " << code << "; next start in " << pause.count() << " ms\n";
        asio::steady_timer timer(executor, pause);
        co_await timer.async_wait(asio::use_awaitable);
    }
}

// The command line, for the test

words to_command(words const& args, std::size_t program = 0)
{
    args.at(program);
    return words(args.begin() + static_cast<std::ptrdiff_t>(program), args.end());
}

words shell(std::string const& line) { return {"sh", "-c", line}; }

std::string to_string(int status)
{
    return WIFSIGNALED(status) ? "signal: " + std::to_string(WTERMSIG(status))
                               : "exit status: " + std::to_string(WEXITSTATUS(status));
}

std::string message(std::exception_ptr error)
try {
    if (error)
        std::rethrow_exception(error);
    return "success";
} catch (std::exception const& thrown) {
    return thrown.what();
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
        std::cout << to_string(co_await run(to_command(args))) << '\n';
    } else if (task == "capture") {
        std::cout << co_await capture(to_command(args));
    } else if (task == "filter") {
        std::string input(std::istreambuf_iterator<char>(std::cin), {});
        output result = co_await filter(to_command(args), input);
        std::cout << result.out << to_string(result.status) << '\n';
        std::cerr << result.err;
    } else if (task == "run-limited") {
        std::cout << to_string(
                         co_await run_limited(to_command(args, 1), std::chrono::milliseconds(to_number(args.at(0)))))
                  << '\n';
    } else if (task == "run-all") {
        std::vector<words> commands;
        for (auto line = args.begin() + 1; line != args.end(); ++line)
            commands.push_back(shell(*line));
        for (auto const& error : co_await run_all(commands, to_number(args.at(0))))
            std::cout << message(error) << '\n';
    } else if (task == "pipe") {
        std::cout << co_await pipe(shell(args.at(0)), shell(args.at(1)));
    } else if (task == "follow") {
        co_await follow(to_command(args), print_line);
    } else if (task == "stop") {
        auto grace = std::chrono::milliseconds(to_number(args.at(0)));
        auto child = start(co_await asio::this_coro::executor, to_command(args, 1));
        std::cin.get();
        std::cout << to_string(co_await stop(child, grace)) << '\n';
    } else if (task == "talk") {
        words requests(args.begin() + 1, args.end());
        for (auto const& reply : co_await talk(shell(args.at(0)), requests))
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
