// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// supervisor: runs the services of a file and restarts them, like supervisord and s6. See --help.
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
    "Runs the services of a file. Services start in the order of the file, each when the previous service is ready.\n"
    "They stop in reverse order, by SIGTERM, and by SIGKILL after 5 seconds. A service that ends is restarted after a\n"
    "pause. The pause doubles each time, at most 5 times, and is reset if the service has run for 10 initial pauses.\n"
    "The output of services is copied to standard output, with the service's name before each line.\n\n"
    "  SIGTERM, SIGINT: stop all services and exit.\n"
    "  SIGHUP: stop all services, read the file again and start its services.\n"
    "  A second signal during the stop: kill all services.\n\n"
    "  [database]\n"
    "  command = postgres -D data    (required; a simple shell command)\n"
    "  directory = /srv/database     (the working directory)\n"
    "  ready = 3                     (ready after a line is written to this descriptor; default: at once)\n\n"
    "Options";

struct service_config {
    std::string name;
    brood::command cmd;
    int ready_fd; // 0: none
};

std::vector<service_config> read_config(std::string const& file)
{
    boost::property_tree::ptree all;
    boost::property_tree::read_ini(file, all);
    std::vector<service_config> services;
    for (auto const& [name, lines] : all) {
        brood::command cmd("/bin/sh", "-c", "exec " + lines.get<std::string>("command", "false"));
        cmd.in(brood::stdio::null()).out(brood::stdio::piped()).err(brood::stdio::same_as(1));
        cmd.process_group(); // does not receive the terminal's ^C
        if (auto const directory = lines.get_optional<std::string>("directory"))
            cmd.current_dir(*directory);
        auto const ready_fd = lines.get("ready", 0);
        if (ready_fd > 2)
            cmd.fd(ready_fd, brood::stdio::piped());
        for (auto const& [key, value] : lines)
            if ((key != "command" && key != "directory" && key != "ready") || (key == "ready" && ready_fd < 3))
                throw std::runtime_error(file + ": " + name + ": invalid line: " + key + " = " + value.data());
        if (!lines.count("command"))
            throw std::runtime_error(file + ": " + name + " has no command");
        services.push_back({name, cmd, ready_fd});
    }
    if (services.empty())
        throw std::runtime_error(file + ": no services");
    return services;
}

void log(std::string const& text) { std::cerr << "supervisor: " + text + '\n'; }

/// Runs a service and restarts it until `stop` is called.
class service {
public:
    service(asio::io_context& loop, service_config config, seconds pause)
        : config_(std::move(config)), ready_(loop, 1), finished_(loop, 1), pause_(loop), child_(loop.get_executor())
    {
        asio::co_spawn(loop, keep_running(pause), rethrow);
    }

    asio::awaitable<void> ready() { co_await ready_.async_receive(asio::use_awaitable); }

    asio::awaitable<void> stop()
    {
        stopping_ = true;
        pause_.cancel();
        (void)co_await child_.async_stop(brood::as_result);
        co_await finished_.async_receive(asio::use_awaitable);
    }

    void kill() { (void)child_.kill_tree(); }

private:
    using event = asio::experimental::channel<void(brood::error_code)>; // stores one notification until it is received

    asio::awaitable<void> keep_running(seconds initial_pause)
    {
        for (auto pause = initial_pause; !stopping_; pause = std::min(2 * pause, 32 * initial_pause)) {
            auto const start = clock_type::now();
            co_await run_once();
            if (clock_type::now() - start >= 10 * initial_pause)
                pause = initial_pause;
            pause_.expires_after(std::chrono::duration_cast<brood::duration>(pause));
            if (!stopping_)
                (void)co_await pause_.async_wait(brood::as_result);
        }
        finished_.try_send(brood::error_code());
    }

    asio::awaitable<void> run_once()
    {
        auto spawned = brood::spawn(pause_.get_executor(), config_.cmd);
        if (!spawned)
            co_return log(config_.name + ": " + spawned.error().message());
        child_ = std::move(spawned).value();
        log(config_.name + ": started, process " + std::to_string(child_.id()));
        co_await ((log_lines() && wait_until_ready()) || wait_for_exit());
        auto const status = co_await child_.async_wait(brood::as_result);
        log(config_.name + ": " + (status ? to_string(status.value()) : status.error().message()));
    }

    asio::awaitable<void> log_lines()
    {
        std::string text;
        for (bool open = true; open;) {
            auto const buffer = asio::dynamic_buffer(text, longest_line);
            auto const line = co_await asio::async_read_until(child_.out(), buffer, '\n', brood::as_result);
            open = line || line.error() == asio::error::not_found; // not_found: a long line is copied in pieces
            auto const length = line ? line.value() : text.size();
            if (length > 0)
                std::cout << config_.name + " | " + text.substr(0, line ? length - 1 : length) + '\n' << std::flush;
            text.erase(0, length);
        }
    }

    asio::awaitable<void> wait_until_ready()
    {
        std::string text;
        auto const buffer = asio::dynamic_buffer(text, longest_line);
        if (config_.ready_fd > 0)
            if (!co_await asio::async_read_until(child_.channel(config_.ready_fd), buffer, '\n', brood::as_result))
                co_return;
        log(config_.name + ": ready");
        ready_.try_send(brood::error_code());
    }

    // Returns a second after the exit: remaining descendants may hold the output open for longer.
    asio::awaitable<void> wait_for_exit()
    {
        (void)co_await child_.async_wait(brood::as_result);
        co_await asio::steady_timer(pause_.get_executor(), std::chrono::seconds(1)).async_wait(asio::use_awaitable);
    }

    service_config const config_;
    event ready_, finished_;
    asio::steady_timer pause_;
    brood::child child_; // empty before the first start
    bool stopping_ = false;
};

/// Runs all services of the file.
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
            auto const result = co_await (start_all() || signals.async_wait(asio::use_awaitable));
            int signal = result.index() == 1 ? std::get<1>(result) : co_await signals.async_wait(asio::use_awaitable);
            log("stopping all services");
            co_await (stop_all() || kill_on_signals(signal));
            if (signal != SIGHUP)
                co_return;
            try {
                configs = read_config(file);
            } catch (std::exception const& error) {
                log(error.what() + std::string("; the old configuration stays in use"));
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

    asio::awaitable<void> kill_on_signals(int& signal)
    {
        for (;;) {
            signal = co_await signals.async_wait(asio::use_awaitable);
            for (auto const& running : services)
                running->kill();
        }
    }
};

} // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN); // services keep running if the log cannot be written
    return run_program("supervisor", [&] {
        po::options_description known(usage);
        double pause = 1;
        known.add_options()("pause", po::value(&pause)->default_value(pause), "seconds before the first restart");
        auto const words = parse_options(argc, argv, known);
        if (words.size() != 1 || !(pause > 0))
            throw po::error("one file and a positive pause are required; try --help");
        asio::io_context loop{1};
        supervisor all{loop, words.front(), seconds(pause)};
        asio::co_spawn(loop, all.run(), rethrow);
        loop.run();
        return 0;
    });
}
