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
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

namespace asio = boost::asio;
using clock_type = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct options {
    std::vector<std::string> command; // contains {} in place of the input
    std::vector<std::string> inputs;
    std::size_t jobs = std::max(1u, std::thread::hardware_concurrency());
    bool stats = false;
};

options parse(int argc, char** argv)
{
    options opts;
    int jobs = static_cast<int>(opts.jobs);
    bool null = false;
    po::options_description known(
        "Usage: parallel [options] command [argument...] [::: input...]\n\n"
        "Runs the command once for each input after :::, or for each line of standard input.\n"
        "{} in an argument is replaced by the input. Without {}, the input is the last argument.\n\nOptions");
    auto add = known.add_options();
    add("jobs,j", po::value(&jobs)->default_value(jobs)->value_name("N"), "maximum number of running commands");
    add("null,0", po::bool_switch(&null), "inputs on standard input end with NUL");
    add("stats", po::bool_switch(&opts.stats), "print the number of commands per second");

    auto const words = parse_options(argc, argv, known);
    if (jobs < 1)
        throw po::error("--jobs must be at least 1");
    opts.jobs = static_cast<std::size_t>(jobs);
    auto const command_end = std::find(words.begin(), words.end(), ":::");
    opts.command.assign(words.begin(), command_end);
    if (opts.command.empty())
        throw po::error("no command; try --help");
    auto const has_placeholder = [](std::string const& word) { return word.find("{}") != std::string::npos; };
    if (std::none_of(words.begin(), command_end, has_placeholder))
        opts.command.push_back("{}");
    if (command_end != words.end())
        opts.inputs.assign(command_end + 1, words.end());
    else
        for (std::string input; std::getline(std::cin, input, null ? '\0' : '\n');)
            opts.inputs.push_back(input);
    if (std::cin.bad())
        throw std::runtime_error("cannot read standard input");
    return opts;
}

brood::command fill_in(std::vector<std::string> words, std::string const& input)
{
    for (auto& word : words)
        word = boost::replace_all_copy(word, "{}", input);
    brood::command cmd(words.front(), {words.begin() + 1, words.end()});
    // The command has its own process group: it does not receive the terminal's ^C, and a stop reaches its descendants.
    cmd.in(brood::stdio::null()).out(brood::stdio::piped()).process_group();
    return cmd;
}

/// Runs the command for all inputs, on one thread.
class batch {
public:
    explicit batch(options opts) : options_(std::move(opts)), group_(loop_, limits(options_)) {}

    /// Returns whether all commands succeeded. Failures are printed to standard error.
    bool run()
    {
        asio::co_spawn(loop_, handle_signals(), asio::detached);
        if (::isatty(STDERR_FILENO) && !options_.inputs.empty())
            asio::co_spawn(loop_, show_progress(), asio::detached);
        asio::co_spawn(loop_, work(), [this](std::exception_ptr failure) {
            loop_.stop();
            if (failure)
                std::rethrow_exception(failure);
        });
        loop_.run();
        bar_.clear();
        for (auto const& failure : failures_)
            std::cerr << failure << '\n';
        if (stopping_)
            std::cerr << "parallel: stopped: " << done_ << " done, " << failures_.size() << " failed, "
                      << options_.inputs.size() - next_ << " not started\n";
        if (options_.stats)
            std::fprintf(
                stderr, "%zu children in %.2f s: %.0f per second\n", ended_, seconds(),
                static_cast<double>(ended_) / seconds());
        return failures_.empty() && !stopping_;
    }

private:
    static brood::group_options limits(options const& opts)
    {
        // The longest possible grace: all output is read, even if descendants hold the pipe open.
        return brood::group_options().max_running(opts.jobs).each(
            brood::output_options().drain_grace(brood::duration::max()));
    }

    asio::awaitable<void> work()
    {
        for (;;) {
            while (!stopping_ && next_ < options_.inputs.size() && running_.size() < options_.jobs) {
                auto const& input = options_.inputs[next_++];
                auto const child = co_await group_.async_spawn(fill_in(options_.command, input), brood::as_result);
                if (!child)
                    fail(input, child.error());
                else
                    running_.emplace(child.value().index, input);
            }
            auto [error, result] = co_await group_.async_next(asio::as_tuple(asio::deferred));
            if (error == asio::error::eof)
                co_return;
            report(error, result);
        }
    }

    void report(brood::error_code error, brood::group_result const& result)
    {
        auto const input = running_.extract(result.index).mapped();
        ++ended_;
        if (!result.out.empty() && shows_output_)
            bar_.clear();
        if (!(std::cout << result.out << std::flush)) {
            stop_all("cannot write to standard output; stopping");
            error = make_error_code(boost::system::errc::io_error);
        }
        if (auto const status = result.status.check(); !status || error.failed())
            return fail(input, status ? error : status.error());
        ++done_;
    }

    void fail(std::string const& input, brood::error_code error)
    {
        failures_.push_back(input + ": " + error.message());
    }

    asio::awaitable<void> handle_signals()
    {
        asio::signal_set signals(loop_);
        add_stop_signals(signals);
        co_await signals.async_wait(asio::deferred);
        stop_all("stopping; send the signal again to kill");
        co_await signals.async_wait(asio::deferred);
        kill_.emit(asio::cancellation_type::terminal);
    }

    void stop_all(char const* reason)
    {
        if (std::exchange(stopping_, true))
            return;
        bar_.clear();
        std::cerr << "parallel: " << reason << '\n';
        group_.async_stop(asio::bind_cancellation_slot(kill_.slot(), asio::detached));
        // A remaining descendant may hold an output open. It is not waited for longer than this.
        stop_timeout_.expires_after(6s);
        stop_timeout_.async_wait([this](brood::error_code) { kill_.emit(asio::cancellation_type::terminal); });
    }

    asio::awaitable<void> show_progress()
    {
        for (asio::steady_timer tick(loop_);;) {
            draw_progress();
            tick.expires_after(100ms);
            co_await tick.async_wait(asio::deferred);
        }
    }

    void draw_progress()
    {
        auto const ended = done_ + failures_.size(), total = options_.inputs.size();
        char text[200];
        auto const length = std::snprintf(
            text, sizeof text, "%zu of %zu done, %zu running, %zu failed", done_, total, group_.running(),
            failures_.size());
        if (ended > 0) {
            auto const rate = static_cast<double>(ended) / seconds();
            auto const left = std::lround(static_cast<double>(total - ended) / rate);
            std::snprintf(text + length, 60, ", %.1f/s, %ld:%02ld left", rate, left / 60, left % 60);
        }
        bar_.draw(ended, total, text);
    }

    double seconds() const { return std::chrono::duration<double>(clock_type::now() - start_).count(); }

    options const options_;
    clock_type::time_point const start_ = clock_type::now();
    asio::cancellation_signal kill_;
    asio::io_context loop_{1};
    brood::child_group group_;
    asio::steady_timer stop_timeout_{loop_};
    progress_bar bar_;
    std::map<std::size_t, std::string> running_; // the inputs of the children without a result, by index
    std::vector<std::string> failures_;
    std::size_t next_ = 0, ended_ = 0, done_ = 0;
    bool stopping_ = false;
    // Whether the outputs and the progress bar share the terminal.
    bool const shows_output_ = ::isatty(STDOUT_FILENO);
};

} // namespace

int main(int argc, char** argv)
{
    std::ios::sync_with_stdio(false);
    std::signal(SIGPIPE, SIG_IGN); // a failed write is reported; children have the default action
    return run_program("parallel", [&] { return batch(parse(argc, argv)).run() ? 0 : 1; });
}
