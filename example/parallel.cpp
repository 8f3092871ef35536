// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// parallel: runs a command over many inputs, several at a time, and never mixes their outputs.
//
//     find . -name '*.jpg' -print0 | parallel -0 -j 4 convert {} -resize 50% small/{}

#include <brood.hpp>

#include <boost/algorithm/string/replace.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/program_options.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <iostream>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/ioctl.h>
#include <unistd.h>

namespace {

namespace asio = boost::asio;
namespace po = boost::program_options;
using clock_type = std::chrono::steady_clock;
using namespace std::chrono_literals;

struct options {
    std::vector<std::string> command; // with a {} for the input
    std::vector<std::string> inputs;
    int jobs = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    bool null = false;
    bool stats = false;
};

// Program_options looks for options behind the first word too: but from there on all belongs to the command.
std::vector<po::option> take_command(std::vector<std::string>& words)
{
    auto const& first = words.front();
    if (first.size() > 1 && first.starts_with('-') && first != "--")
        return {};
    po::option rest;
    rest.original_tokens.assign(words.begin() + (first == "--"), words.end());
    words.clear();
    return {rest};
}

options parse(int argc, char** argv)
{
    options opts;
    po::options_description known(
        "Usage: parallel [options] command [argument...] [::: input...]\n\n"
        "Runs the command once for each input: those after :::, else the lines of standard input.\n"
        "{} in an argument stands for the input; without any, the input comes last.\n\nOptions");
    auto add = known.add_options();
    add("jobs,j", po::value(&opts.jobs)->default_value(opts.jobs)->value_name("N"), "run so many at a time");
    add("null,0", po::bool_switch(&opts.null), "inputs on standard input end with NUL");
    add("stats", po::bool_switch(&opts.stats), "tell at the end how fast it went");
    add("help,h", "show this");

    auto const parsed = po::command_line_parser(argc, argv).options(known).extra_style_parser(take_command).run();
    po::variables_map values;
    po::store(parsed, values);
    po::notify(values);
    if (values.count("help")) {
        std::cout << known;
        std::exit(0);
    }

    auto const words = po::collect_unrecognized(parsed.options, po::include_positional);
    auto const command_end = std::find(words.begin(), words.end(), ":::");
    opts.command.assign(words.begin(), command_end);
    if (opts.jobs < 1)
        throw po::error("--jobs takes a number from 1 on");
    if (opts.command.empty())
        throw po::error("no command; try --help");
    auto const has_place = [](std::string const& word) { return word.find("{}") != std::string::npos; };
    if (std::none_of(words.begin(), command_end, has_place))
        opts.command.push_back("{}");
    if (command_end != words.end())
        opts.inputs.assign(command_end + 1, words.end());
    else
        for (std::string input; std::getline(std::cin, input, opts.null ? '\0' : '\n');)
            opts.inputs.push_back(input);
    if (std::cin.bad())
        throw std::runtime_error("can't read standard input");
    return opts;
}

/// One line at the bottom of the terminal. Nobody draws where standard error is none.
class progress_bar {
public:
    ~progress_bar() { clear(); }

    void draw(std::size_t done, std::size_t failed, std::size_t running, std::size_t total, double seconds)
    {
        auto const ended = done + failed;
        char text[200];
        auto const length = std::snprintf(
            text, sizeof text, "] %zu of %zu done, %zu running, %zu failed", done, total, running, failed);
        if (ended > 0) {
            auto const rate = static_cast<double>(ended) / seconds;
            auto const left = std::lround(static_cast<double>(total - ended) / rate);
            std::snprintf(text + length, 60, ", %.1f/s, %ld:%02ld left", rate, left / 60, left % 60);
        }

        winsize size{};
        bool const known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
        std::size_t const room = known ? size.ws_col - 1 : 79;
        auto const others = 1 + std::strlen(text);
        auto const width = std::clamp(room, others + 10, others + 40) - others;
        auto line = '[' + std::string(width * ended / total, '#');
        line.resize(1 + width, '.');
        // A line that wrapped could not be cleared.
        std::cerr << '\r' + (line + text).substr(0, room) + "\x1b[K";
        drawn_ = true;
    }

    void clear()
    {
        if (std::exchange(drawn_, false))
            std::cerr << "\r\x1b[K";
    }

private:
    bool drawn_ = false;
};

brood::command fill_in(std::vector<std::string> words, std::string const& input)
{
    for (auto& word : words)
        word = boost::replace_all_copy(word, "{}", input);
    brood::command cmd(words.front(), {words.begin() + 1, words.end()});
    // In a group of its own, the terminal's ^C is ours alone to handle and a stop reaches descendants too.
    cmd.in(brood::stdio::null()).out(brood::stdio::piped()).process_group();
    return cmd;
}

/// Runs the command over all inputs, on one thread.
class batch {
public:
    explicit batch(options opts) : options_(std::move(opts)) {}

    /// Whether all went well. What did not is told on standard error.
    bool run()
    {
        if (!options_.inputs.empty())
            run_loop();
        bar_.clear();
        for (auto const& failure : failures_)
            std::cerr << failure << '\n';
        if (stopping_)
            std::cerr << "parallel: stopped: " << done_ << " done, " << failures_.size() << " failed, "
                      << options_.inputs.size() - next_ << " not started\n";
        if (options_.stats)
            std::fprintf(
                stderr, "%zu children in %.2f s: %.0f per second\n", children_, seconds(),
                static_cast<double>(children_) / seconds());
        return failures_.empty() && !stopping_;
    }

private:
    void run_loop()
    {
        asio::co_spawn(loop_, obey_signals(), asio::detached);
        if (::isatty(STDERR_FILENO))
            asio::co_spawn(loop_, show_progress(), asio::detached);
        workers_ = std::min(static_cast<std::size_t>(options_.jobs), options_.inputs.size());
        for (auto i = workers_; i > 0; --i)
            asio::co_spawn(loop_, work(), [this](std::exception_ptr failure) {
                if (failure)
                    std::rethrow_exception(failure);
                if (--workers_ == 0)
                    loop_.stop();
            });
        loop_.run();
    }

    asio::awaitable<void> work()
    {
        while (!stopping_ && next_ < options_.inputs.size()) {
            auto const& input = options_.inputs[next_++];
            if (auto ended = co_await run_one(input); !ended)
                failures_.push_back(input + ": " + ended.error().message());
            else
                ++done_;
        }
    }

    asio::awaitable<brood::result<void>> run_one(std::string const& input)
    {
        auto spawned = brood::spawn(loop_, fill_in(options_.command, input));
        if (!spawned) {
            co_await asio::post(asio::deferred); // a long row of failures must not hold the loop
            co_return spawned.error();
        }
        ++children_;
        auto const child = std::make_shared<brood::child>(std::move(spawned).value());
        running_.insert(child);
        std::string output;
        (void)co_await asio::async_read(child->out(), asio::dynamic_buffer(output), brood::as_result);
        auto const ended = co_await child->async_wait(brood::as_result);
        running_.erase(child);
        if (!output.empty() && shows_output_)
            bar_.clear();
        if (!(std::cout << output << std::flush)) {
            stop_all("can't write to standard output; stopping");
            co_return make_error_code(boost::system::errc::io_error);
        }
        if (!ended)
            co_return ended.error();
        co_return ended.value().check();
    }

    asio::awaitable<void> obey_signals()
    {
        asio::signal_set signals(loop_);
        // What nohup(1) or a shell's & has had us ignore stays ignored.
        for (int number : {SIGINT, SIGTERM, SIGHUP})
            if (struct sigaction now{}; ::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
                signals.add(number);
        co_await signals.async_wait(asio::deferred);
        stop_all("stopping; once more to kill");
        co_await signals.async_wait(asio::deferred);
        for (auto const& child : running_) {
            (void)child->signal_group(SIGKILL);
            child->out().close();
        }
    }

    void stop_all(char const* why)
    {
        if (std::exchange(stopping_, true))
            return;
        bar_.clear();
        std::cerr << "parallel: " << why << '\n';
        for (auto const& child : running_)
            asio::co_spawn(loop_, stop(child), asio::detached);
    }

    static asio::awaitable<void> stop(std::shared_ptr<brood::child> child)
    {
        (void)co_await child->async_stop(brood::stop_plan(), brood::as_result);
        // Descendants that it left behind may hold its output open, and we don't wait for them any more.
        asio::steady_timer grace(child->get_executor(), 1s);
        co_await grace.async_wait(asio::deferred);
        child->out().close();
    }

    asio::awaitable<void> show_progress()
    {
        for (asio::steady_timer tick(loop_);;) {
            bar_.draw(done_, failures_.size(), running_.size(), options_.inputs.size(), seconds());
            tick.expires_after(100ms);
            co_await tick.async_wait(asio::deferred);
        }
    }

    double seconds() const { return std::chrono::duration<double>(clock_type::now() - start_).count(); }

    options const options_;
    clock_type::time_point const start_ = clock_type::now();
    asio::io_context loop_{1};
    progress_bar bar_;
    std::set<std::shared_ptr<brood::child>> running_;
    std::vector<std::string> failures_;
    std::size_t workers_ = 0, next_ = 0, children_ = 0, done_ = 0;
    bool stopping_ = false;
    // Whether the outputs go where the bar is.
    bool const shows_output_ = ::isatty(STDOUT_FILENO);
};

} // namespace

int main(int argc, char** argv)
try {
    std::ios::sync_with_stdio(false);
    std::signal(SIGPIPE, SIG_IGN); // a failed write tells; the children get the default back
    return batch(parse(argc, argv)).run() ? 0 : 1;
} catch (po::error const& error) {
    std::cerr << "parallel: " << error.what() << '\n';
    return 2;
} catch (std::exception const& error) {
    std::cerr << "parallel: " << error.what() << '\n';
    return 1;
}
