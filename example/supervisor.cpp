// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// supervisor: runs the services of a file and restarts them, like supervisord and s6. See --help.
#include "contained.hpp"
#include "options.hpp"
#include "service_config.hpp"

#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <deque>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
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

void log(std::string const& text) { std::cerr << "supervisor: " + text + '\n'; }

void print(std::string const& name, std::string_view line)
{
    for (; line.size() > longest_line; line.remove_prefix(longest_line))
        print(name, line.substr(0, longest_line));
    std::cout << name + " | " + std::string(line) + '\n' << std::flush;
}

/// Runs the services of a file.
struct supervisor {
    std::string const file;
    seconds const first_pause;
    std::vector<service_config> services = read_config(file);
    std::deque<asio::cancellation_signal> stops{}; // of the services that have been started
    std::size_t running = 0;
    int signal = 0; // the last one since the services were started; 0: none
    asio::io_context loop{1};
    asio::signal_set signals{loop, SIGINT, SIGTERM, SIGHUP};

    void run()
    {
        start_next();
        wait_for_signal();
        loop.run();
    }

    void wait_for_signal()
    {
        signals.async_wait([this](brood::error_code, int number) {
            wait_for_signal();
            if (std::exchange(signal, number) == 0) {
                log("stopping all services");
                return stop_last();
            }
            // The first cancellation stops a service, the second kills it.
            for (auto& stop : stops) {
                stop.emit(asio::cancellation_type::terminal);
                stop.emit(asio::cancellation_type::terminal);
            }
        });
    }

    void start_next()
    {
        auto const& service = services[running++];
        auto const on_end = [this](std::exception_ptr failure) {
            if (signal == 0)
                std::rethrow_exception(failure);
            --running;
            stop_last();
        };
        auto const slot = stops.emplace_back().slot();
        asio::co_spawn(loop, keep_running(service), asio::bind_cancellation_slot(slot, on_end));
    }

    /// Stops the last service. When it has ended, the one before it is stopped, and so on.
    void stop_last()
    {
        if (running > 0)
            stops[running - 1].emit(asio::cancellation_type::terminal);
        else
            asio::post(loop, [this] { on_all_stopped(); });
    }

    void on_all_stopped()
    {
        if (signal != SIGHUP)
            return loop.stop();
        try {
            services = read_config(file);
        } catch (std::exception const& error) {
            log(error.what() + std::string("; the old configuration stays in use"));
        }
        stops.clear();
        signal = 0;
        start_next();
    }

    /// Restarts a service until it is cancelled.
    asio::awaitable<void> keep_running(service_config const& service)
    {
        auto const options =
            brood::output_options().on_out_line([&](std::string_view line) { print(service.name, line); });
        for (auto pause = first_pause;; pause = std::min(2 * pause, 32 * first_pause)) {
            if (auto child = start(service)) {
                notify_when_ready(service, child.value());
                auto const [error, result] =
                    co_await child.value().async_output(options, asio::as_tuple(asio::deferred));
                log(service.name + ": " + (result.usage ? to_string(result.status) : error.message()));
                if (result.elapsed >= 10 * first_pause)
                    pause = first_pause;
            }
            asio::steady_timer timer(loop, std::chrono::duration_cast<brood::duration>(pause));
            co_await timer.async_wait(asio::deferred);
        }
    }

    brood::result<brood::child> start(service_config const& service)
    {
        auto child = start_contained(loop, service.cmd);
        if (child)
            log(service.name + ": started, process " + std::to_string(child.value().id()));
        else
            log(service.name + ": " + describe(service.cmd, child.error()));
        return child;
    }

    void notify_when_ready(service_config const& service, brood::child& child)
    {
        auto const on_ready = [this, &service] {
            log(service.name + ": ready");
            if (signal == 0 && &service == &services[running - 1] && running < services.size())
                start_next();
        };
        if (service.ready_fd == 0)
            return on_ready();
        auto const line = std::make_shared<std::string>();
        asio::async_read_until(
            child.channel(service.ready_fd), asio::dynamic_buffer(*line, longest_line), '\n',
            [line, on_ready](brood::error_code error, std::size_t) {
                if (!error.failed())
                    on_ready();
            });
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
        supervisor{words.front(), seconds(pause)}.run();
        return 0;
    });
}
