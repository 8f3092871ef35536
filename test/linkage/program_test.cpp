// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <brood.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace asio = boost::asio;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("linkage");

// The library's part of Asio handles an event that no operation waits for. It then needs the stack of running contexts,
// which the program's part of Asio keeps.
TEST_CASE("shared library: knows the contexts that the program runs")
{
    asio::io_context context;
    std::optional<brood::error_code> cancelled;
    brood::child child = brood::spawn(context, brood::command("cat").in(brood::stdio::piped())).value();
    asio::cancellation_signal cancel;
    child.async_wait(
        asio::bind_cancellation_slot(cancel.slot(), [&](brood::error_code ec, brood::exit_status) { cancelled = ec; }));
    context.poll();
    cancel.emit(asio::cancellation_type::terminal);
    context.poll();
    REQUIRE(cancelled.has_value());
    CHECK(*cancelled == asio::error::operation_aborted);

    REQUIRE(child.kill().has_value());
    siginfo_t ended{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child.id()), &ended, WEXITED | WNOWAIT) == 0); // now there is an event
    auto const no_work = asio::make_work_guard(context);
    context.restart();
    for (int i = 0; i < 10; ++i)
        context.run_one_for(10ms);

    std::optional<brood::exit_status> status;
    child.async_wait([&](brood::error_code, brood::exit_status reported) { status = reported; });
    context.restart();
    while (!status && context.run_one_for(10s) > 0)
        continue;
    REQUIRE(status.has_value());
    CHECK(status->signal() == SIGKILL);
}

// The category of `asio::error::eof` has no identifier: it is compared by address.
TEST_CASE("shared library: reports the program's asio::error::eof")
{
    asio::io_context context;
    brood::child_group group(context);
    std::optional<brood::error_code> reported;
    group.async_next([&](brood::error_code ec, brood::group_result) { reported = ec; });
    context.run();
    REQUIRE(reported.has_value());
    CHECK(*reported == asio::error::eof);
}

namespace {

// Uses all descriptor numbers that are free below a limit.
class filled_descriptors {
public:
    explicit filled_descriptors(int end)
    {
        for (int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC); fd >= 0;
             fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
            if (fd >= end) {
                ::close(fd);
                break;
            }
            kept_.push_back(fd);
        }
    }

    ~filled_descriptors()
    {
        for (int fd : kept_)
            ::close(fd);
    }

    filled_descriptors(filled_descriptors const&) = delete;
    filled_descriptors& operator=(filled_descriptors const&) = delete;

private:
    std::vector<int> kept_;
};

} // namespace

// After a fork the library's service opens its descriptor again. That fails here, and the exception passes from the
// library through Asio to the program.
TEST_CASE("shared library: the program catches what the library throws")
{
    asio::io_context context;
    asio::steady_timer reactor(context, 1h); // the reactor's descriptors get the lowest numbers
    reactor.async_wait([](brood::error_code) {});
    int const limit = 60;
    filled_descriptors const filled(limit);
    brood::child child = brood::spawn(context, brood::command("cat").in(brood::stdio::piped())).value();
    child.async_wait([](brood::error_code, brood::exit_status) {});

    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit const lowered{static_cast<rlim_t>(limit), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    int caught = 0;
    try {
        context.notify_fork(asio::execution_context::fork_child);
    } catch (boost::system::system_error const& error) {
        caught = error.code().value();
    }
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(caught == EMFILE);
    reactor.cancel();
}

TEST_SUITE_END();
