// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// parallel: runs a command for each of many inputs, several at a time. Their outputs are not mixed.
//
//     find . -name '*.jpg' -print0 | parallel -0 -j 4 convert {} -resize 50% small/{}
#include "options.hpp"
#include "progress_bar.hpp"
#include "signals.hpp"

#include <brood.hpp>

#include <boost/algorithm/string/replace.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

namespace asio = boost::asio;
using asio::use_awaitable;
using namespace asio::experimental::awaitable_operators;

struct options {
    std::vector<std::string> command; // contains {} in place of the input
    std::vector<std::string> inputs;
    int jobs = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    bool null = false, stats = false;
};

options parse(int argc, char** argv)
{
    options opts;
    po::options_description known(
        "Usage: parallel [options] command [argument...] [::: input...]\n\n"
        "Runs the command once for each input after :::, or for each line of standard input.\n"
        "{} in an argument is replaced by the input. Without {}, the input is the last argument.\n\nOptions");
    auto add = known.add_options();
    add("jobs,j", po::value(&opts.jobs)->default_value(opts.jobs)->value_name("N"), "number of commands at a time");
    add("null,0", po::bool_switch(&opts.null), "inputs on standard input end with NUL");
    add("stats", po::bool_switch(&opts.stats), "print the number of commands per second");
    auto const words = parse_options(argc, argv, known);
    if (opts.jobs < 1)
        throw po::error("--jobs must be at least 1");
    auto const command_end = std::find(words.begin(), words.end(), ":::");
    opts.command.assign(words.begin(), command_end);
    if (opts.command.empty())
        throw po::error("no command; try --help");
    if (std::none_of(words.begin(), command_end, [](auto const& word) { return word.find("{}") != word.npos; }))
        opts.command.push_back("{}");
    if (command_end != words.end())
        opts.inputs.assign(command_end + 1, words.end());
    else
        for (std::string input; std::getline(std::cin, input, opts.null ? '\0' : '\n');)
            opts.inputs.push_back(input);
    if (std::cin.bad())
        throw std::runtime_error("cannot read standard input");
    return opts;
}

brood::command fill_in(std::vector<std::string> words, std::string const& input)
{
    for (auto& word : words)
        boost::replace_all(word, "{}", input);
    brood::command cmd(words.front(), {words.begin() + 1, words.end()});
    // The command has its own process group: it does not receive the terminal's ^C, and a stop reaches its descendants.
    cmd.in(brood::stdio::null()).out(brood::stdio::piped()).process_group();
    return cmd;
}

/// Runs the command for all inputs, on one thread.
struct batch {
    options const opts;
    std::chrono::steady_clock::time_point const start = std::chrono::steady_clock::now();
    // The longest possible grace: all output is read, even if descendants hold the pipe open.
    brood::output_options const each = brood::output_options().drain_grace(brood::duration::max());
    asio::io_context loop{1};
    brood::child_group group{loop, brood::group_options().max_running(static_cast<std::size_t>(opts.jobs)).each(each)};
    asio::signal_set signals{loop};
    progress_bar bar{};
    std::vector<std::string> failures{};
    std::size_t next = 0, done = 0;
    int ended = 0;
    bool stopping = false;

    /// Returns whether all commands succeeded. Failures are printed to standard error.
    bool run()
    {
        asio::co_spawn(loop, stop_on_signal(), rethrow);
        if (::isatty(STDERR_FILENO) && !opts.inputs.empty())
            asio::co_spawn(loop, show_progress(), rethrow);
        asio::co_spawn(loop, run_all(), [this](std::exception_ptr failure) {
            loop.stop();
            rethrow(failure);
        });
        loop.run();
        bar.clear();
        for (auto const& failure : failures)
            std::cerr << failure << '\n';
        if (stopping)
            std::cerr << "parallel: stopped: " << done << " done, " << failures.size() << " failed, "
                      << opts.inputs.size() - next << " not started\n";
        if (auto const time = seconds(); opts.stats)
            std::fprintf(stderr, "%d children in %.2f s: %.0f per second\n", ended, time, ended / time);
        return failures.empty() && !stopping;
    }

    asio::awaitable<void> run_all()
    {
        for (int unreported = 0;; --unreported) {
            while (!stopping && next < opts.inputs.size() && unreported < opts.jobs) {
                auto const& input = opts.inputs[next++]; // its position is the index of the child
                auto const child = co_await group.async_spawn(fill_in(opts.command, input), brood::as_result);
                if (child)
                    ++unreported;
                else
                    failures.push_back(input + ": " + child.error().message());
            }
            auto const [error, result] = co_await group.async_next(asio::as_tuple(asio::deferred));
            if (error == asio::error::eof)
                co_return;
            report(error, result);
        }
    }

    void report(brood::error_code error, brood::group_result const& result)
    {
        ++ended;
        if (!result.out.empty() && ::isatty(STDOUT_FILENO)) // shared with the progress bar
            bar.clear();
        if (!(std::cout << result.out << std::flush)) {
            error = make_error_code(boost::system::errc::io_error);
            if (!std::exchange(stopping, true))
                signals.cancel();
        }
        if (auto const status = result.status.check(); !status || error.failed())
            failures.push_back(opts.inputs[result.index] + ": " + (status ? error : status.error()).message());
        else
            ++done;
    }

    asio::awaitable<void> stop_on_signal()
    {
        add_stop_signals(signals);
        (void)co_await signals.async_wait(brood::as_result); // a failed write cancels it
        stopping = true;
        bar.clear();
        std::cerr
            << (std::cout ? "parallel: stopping; send the signal again to kill\n"
                          : "parallel: cannot write to standard output; stopping\n");
        // Cancelling the stop kills. After the timeout, a descendant that holds an output open is not waited for.
        asio::steady_timer timer(loop, std::chrono::seconds(6));
        co_await (
            group.async_stop(use_awaitable) || signals.async_wait(use_awaitable) || timer.async_wait(use_awaitable));
    }

    asio::awaitable<void> show_progress()
    {
        for (asio::steady_timer tick(loop);;) {
            auto const reported = done + failures.size(), total = opts.inputs.size();
            char text[100];
            std::snprintf(
                text, sizeof text, "%zu of %zu done, %zu running, %zu failed", done, total, group.running(),
                failures.size());
            bar.draw(reported, total, text + rate_and_time_left(reported, total, seconds()));
            tick.expires_after(std::chrono::milliseconds(100));
            co_await tick.async_wait(asio::deferred);
        }
    }

    double seconds() const { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); }
};

} // namespace

int main(int argc, char** argv)
{
    std::ios::sync_with_stdio(false);
    std::signal(SIGPIPE, SIG_IGN); // a failed write is reported; children have the default action
    return run_program("parallel", [&] { return batch{parse(argc, argv)}.run() ? 0 : 1; });
}
