// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// supervisor: keeps the commands of a file running, in the manner of supervisord and s6. See --help.
#include "options.hpp"

#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/property_tree/ini_parser.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace asio::experimental::awaitable_operators;
using clock_type = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

constexpr std::size_t longest_line = 8192;

constexpr char const* usage =
    "Usage: supervisor [--pause SECONDS] FILE\n\n"
    "Keeps the services of a file running. It starts them from top to bottom, each once the one before is ready,\n"
    "and stops them from bottom to top, by SIGTERM, and SIGKILL after 5 seconds. One that ends is started again after\n"
    "a pause. That doubles each time, 5 times at most, and is short again for a service that ran 10 pauses long.\n"
    "What they write goes to standard output, line by line, with their names in front.\n\n"
    "  SIGTERM, SIGINT: stop all and exit.   SIGHUP: stop all, and start what the file then says.\n"
    "  Another one meanwhile: kill them.\n\n"
    "  [database]\n"
    "  command = postgres -D data    (a simple command for the shell; the one line that must be)\n"
    "  directory = /srv/database     (where it runs)\n"
    "  ready = 3                     (it is once it has written a line to that descriptor; else as soon as it runs)\n\n"
    "Options";

struct service_config {
    std::string name;
    brood::command cmd;
    int ready_fd; // 0: there is none
};

std::vector<service_config> read_config(std::string const& file)
{
    boost::property_tree::ptree all;
    boost::property_tree::read_ini(file, all);
    std::vector<service_config> services;
    for (auto const& [name, lines] : all) {
        brood::command cmd("/bin/sh", "-c", "exec " + lines.get<std::string>("command", "false"));
        cmd.in(brood::stdio::null()).out(brood::stdio::piped()).err(brood::stdio::same_as(1));
        cmd.process_group(); // a terminal's ^C is for us alone
        if (auto const directory = lines.get_optional<std::string>("directory"))
            cmd.current_dir(*directory);
        auto const ready_fd = lines.get("ready", 0);
        if (ready_fd > 2)
            cmd.fd(ready_fd, brood::stdio::piped());
        for (auto const& [key, value] : lines)
            if ((key != "command" && key != "directory" && key != "ready") || (key == "ready" && ready_fd < 3))
                throw std::runtime_error(file + ": " + name + ": what is " + key + " = " + value.data() + "?");
        if (!lines.count("command"))
            throw std::runtime_error(file + ": " + name + " has no command");
        services.push_back({name, cmd, ready_fd});
    }
    if (services.empty())
        throw std::runtime_error(file + ": no service");
    return services;
}

void say(std::string const& text) { std::cerr << "supervisor: " + text + '\n'; }

void rethrow(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure);
}

/// One service, from its first start until it is stopped for good.
class service {
public:
    service(asio::io_context& loop, service_config config, seconds pause)
        : config_(std::move(config)), ready_(loop, 1), over_(loop, 1), pause_(loop), child_(loop.get_executor())
    {
        asio::co_spawn(loop, keep_running(pause), rethrow);
    }

    asio::awaitable<void> ready() { co_await ready_.async_receive(asio::use_awaitable); }

    asio::awaitable<void> stop()
    {
        wanted_ = false;
        pause_.cancel();
        (void)co_await child_.async_stop(brood::as_result);
        co_await over_.async_receive(asio::use_awaitable);
    }

    void kill() { (void)child_.kill_tree(); }

private:
    using event = asio::experimental::channel<void(brood::error_code)>; // keeps one until somebody waits

    asio::awaitable<void> keep_running(seconds least)
    {
        for (auto pause = least; wanted_; pause = std::min(2 * pause, 32 * least)) {
            auto const begun = clock_type::now();
            co_await run_once();
            if (clock_type::now() - begun >= 10 * least)
                pause = least;
            pause_.expires_after(std::chrono::duration_cast<brood::duration>(pause));
            if (wanted_)
                (void)co_await pause_.async_wait(brood::as_result);
        }
        over_.try_send(brood::error_code());
    }

    asio::awaitable<void> run_once()
    {
        auto spawned = brood::spawn(pause_.get_executor(), config_.cmd);
        if (!spawned)
            co_return say(config_.name + ": " + spawned.error().message());
        child_ = std::move(spawned).value();
        say(config_.name + ": started, process " + std::to_string(child_.id()));
        co_await ((log_lines() && hear_of_readiness()) || end_and_grace());
        auto const status = co_await child_.async_wait(brood::as_result);
        say(config_.name + ": " + (status ? to_string(status.value()) : status.error().message()));
    }

    asio::awaitable<void> log_lines()
    {
        std::string text;
        for (bool more = true; more;) {
            auto const buffer = asio::dynamic_buffer(text, longest_line);
            auto const line = co_await asio::async_read_until(child_.out(), buffer, '\n', brood::as_result);
            more = line || line.error() == asio::error::not_found; // a line longer than that comes in pieces
            auto const length = line ? line.value() : text.size();
            if (length > 0) // else it has ended with the last line
                std::cout << config_.name + " | " + text.substr(0, line ? length - 1 : length) + '\n' << std::flush;
            text.erase(0, length);
        }
    }

    asio::awaitable<void> hear_of_readiness()
    {
        std::string text;
        auto const buffer = asio::dynamic_buffer(text, longest_line);
        if (config_.ready_fd > 0)
            if (!co_await asio::async_read_until(child_.channel(config_.ready_fd), buffer, '\n', brood::as_result))
                co_return;
        say(config_.name + ": ready");
        ready_.try_send(brood::error_code());
    }

    // What it has left behind may hold its output open.
    asio::awaitable<void> end_and_grace()
    {
        (void)co_await child_.async_wait(brood::as_result);
        co_await asio::steady_timer(pause_.get_executor(), std::chrono::seconds(1)).async_wait(asio::use_awaitable);
    }

    service_config const config_;
    event ready_, over_;
    asio::steady_timer pause_;
    brood::child child_; // none, a running or an ended one
    bool wanted_ = true;
};

/// All services of the file.
struct supervisor {
    asio::io_context& loop;
    std::string const file;
    seconds const pause;
    std::vector<service_config> configs = read_config(file);
    asio::signal_set signals{loop, SIGINT, SIGTERM, SIGHUP};
    std::vector<std::unique_ptr<service>> services{};

    asio::awaitable<void> run()
    {
        for (;;) {
            auto const first = co_await (start_all() || signals.async_wait(asio::use_awaitable));
            int signal = first.index() == 1 ? std::get<1>(first) : co_await signals.async_wait(asio::use_awaitable);
            say("stopping all");
            co_await (stop_all() || obey_more(signal));
            if (signal != SIGHUP)
                co_return;
            try {
                configs = read_config(file);
            } catch (std::exception const& error) {
                say(error.what() + std::string("; going on as before"));
            }
        }
    }

    asio::awaitable<void> start_all()
    {
        for (auto const& config : configs)
            co_await services.emplace_back(std::make_unique<service>(loop, config, pause))->ready();
    }

    asio::awaitable<void> stop_all()
    {
        for (; !services.empty(); services.pop_back())
            co_await services.back()->stop();
    }

    asio::awaitable<void> obey_more(int& signal)
    {
        for (;;) {
            signal = co_await signals.async_wait(asio::use_awaitable);
            for (auto const& each : services)
                each->kill();
        }
    }
};

} // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN); // the services matter more than the log
    return run_program("supervisor", [&] {
        po::options_description known(usage);
        double pause = 1;
        known.add_options()("pause", po::value(&pause)->default_value(pause), "in seconds, before the first restart");
        auto const words = parse_options(argc, argv, known);
        if (words.size() != 1 || !(pause > 0))
            throw po::error("it takes one file, and a positive pause; try --help");
        asio::io_context loop{1};
        supervisor all{loop, words.front(), seconds(pause)};
        asio::co_spawn(loop, all.run(), rethrow);
        loop.run();
        return 0;
    });
}
