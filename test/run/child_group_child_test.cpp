// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/running_group.hpp"

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <concepts>
#include <memory>
#include <optional>
#include <string>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

command echoing(backend_config const& config)
{
    return probe(config, "copy-to-both").in(stdio::piped()).out(stdio::piped()).err(stdio::null());
}

// Spawns a child that the group hands out.
struct spawn_of_child {
    spawn_of_child(running_group& test, command cmd)
    {
        test.group->async_spawn_child(
            std::move(cmd),
            asio::bind_cancellation_slot(test.cancel_spawn.slot(), [this](error_code ec, brood::child spawned) {
                error = ec;
                child.emplace(std::move(spawned));
            }));
    }

    std::optional<error_code> error;
    std::optional<brood::child> child;
};

} // namespace

TEST_SUITE_BEGIN("child group child");

TEST_CASE("child_group: a child that is handed out can be talked to, and holds a place until its end")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        spawn_of_child first(test, echoing(config)), second(test, echoing(config));
        test.run_until([&] { return first.child.has_value(); });
        REQUIRE(first.error == error_code());
        for (std::string const line : {"one\n", "two\n"}) {
            std::string reply;
            asio::write(first.child->in(), asio::buffer(line));
            asio::read_until(first.child->out(), asio::dynamic_buffer(reply), '\n');
            CHECK(reply == line);
        }
        test.poll();
        CHECK_FALSE(second.child);
        CHECK(test.group->running() == 1);
        std::optional<exit_status> status;
        first.child->async_wait([&](error_code, exit_status ended) { status = ended; });
        first.child->in().close();
        test.run_until([&] { return second.child.has_value(); });
        test.run_until([&] { return status.has_value(); });
        CHECK(status->success());
        CHECK(first.child->usage());
        CHECK(second.error == error_code());
        second.child.reset();
        test.next();
        test.finish();
        CHECK(test.group->running() == 0);
        CHECK(test.next_errors.at(0) == asio::error::eof);
    });
}

TEST_CASE("child_group: spawn_child hands out a child, or fails at the limit")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        auto first = test.group->spawn_child(echoing(config)).value();
        CHECK(test.group->spawn_child(echoing(config)).error() == std::errc::resource_unavailable_try_again);
        first.in().close();
        CHECK(first.wait().value().success());
        test.run_until([&] { return test.group->running() == 0; });
        auto missing = test.group->spawn_child(command("/nonexistent"));
        CHECK(missing.error() == std::errc::no_such_file_or_directory);
        auto second = test.group->spawn_child(echoing(config).fd(3, stdio::piped())).value();
        CHECK(second.channel(3).is_open());
        CHECK(second.kill());
        test.finish();
    });
}

TEST_CASE("child_group: a child that is dropped is killed, and makes room for the next one")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        spawn_of_child first(test, pausing(config)), second(test, pausing(config));
        test.run_until([&] { return first.child.has_value(); });
        first.child.reset();
        test.run_until([&] { return second.child.has_value(); });
        CHECK(second.error == error_code());
        test.wait_all();
        second.child.reset();
        test.finish();
        CHECK(test.wait_error == error_code());
    });
}

TEST_CASE("child_group: a stop of the group stops the children that are handed out or being spawned")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(2));
        spawn_of_child first(test, pausing(config));
        test.run_until([&] { return first.child.has_value(); });
        spawn_of_child second(test, pausing(config)), third(test, pausing(config));
        std::optional<error_code> stopped;
        test.group->async_stop([&](error_code ec) { stopped = ec; });
        test.finish();
        CHECK(stopped == error_code());
        CHECK(first.child->wait().value().signal() == SIGTERM);
        CHECK(third.error == asio::error::operation_aborted);
        CHECK(third.child->id() == 0);
    });
}

TEST_CASE("child_group: a detached child still counts, and ends with the group")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(1));
        auto child = test.group->spawn_child(pausing(config)).value();
        pid_t const pid = child.id();
        child.detach();
        {
            auto const dropped = std::move(child);
        }
        test.poll();
        CHECK(is_alive(pid));
        CHECK(test.group->running() == 1);
        test.group.reset();
        test.finish();
        CHECK_FALSE(is_alive(pid));
    });
}

TEST_CASE("child_group: a detached child is killed with the context, too")
{
    for_each_config([](backend_config const& config) {
        pid_t pid = 0;
        std::optional<child_group> group;
        {
            asio::io_context context;
            group.emplace(context);
            auto child = group->spawn_child(pausing(config)).value();
            pid = child.id();
            child.detach();
        }
        CHECK(eventually([&] { return !exists(pid); }));
    });
}

TEST_CASE("child_group: the failure of a child that is handed out stops the rest")
{
    for_each_config([](backend_config const& config) {
        running_group test(at_most(2, failure_policy::stop_rest));
        test.spawn(pausing(config));
        test.run_until([&] { return !test.children.empty(); });
        spawn_of_child failing(test, probe(config, "exit", "3"));
        test.next();
        test.next();
        test.finish();
        CHECK(test.results.at(0).status.signal() == SIGTERM);
        CHECK(test.next_errors.at(1) == asio::error::eof);
        CHECK(failing.child->wait().value().code() == 3);
    });
}

TEST_CASE("child_group: the options of each bound a child that is handed out")
{
    for_each_config([](backend_config const& config) {
        running_group test(group_options().each(sigterm_only().timeout(1ms).input("unused")));
        spawn_of_child limited(test, pausing(config));
        test.finish();
        CHECK(limited.child->wait().value().signal() == SIGTERM);
        running_group invalid(group_options().each(output_options().stop(stop_plan(999, 1s))));
        CHECK(invalid.group->spawn_child(pausing(config)).error() == std::errc::invalid_argument);
        spawn_of_child refused(invalid, pausing(config));
        invalid.finish();
        CHECK(refused.error == std::errc::invalid_argument);
    });
}

TEST_CASE("child_group: a cancelled async_spawn_child leaves no child, queued or being spawned")
{
    for_each_config([](backend_config const& config) {
        for (bool const queued : {false, true}) {
            CAPTURE(queued);
            running_group test(at_most(1));
            auto blocker = queued ? std::optional(test.group->spawn_child(pausing(config)).value()) : std::nullopt;
            spawn_of_child cancelled(test, pausing(config));
            test.cancel_spawn.emit(asio::cancellation_type::terminal);
            blocker.reset();
            test.finish();
            CHECK(cancelled.error == asio::error::operation_aborted);
            CHECK(cancelled.child->id() == 0);
        }
    });
}

TEST_CASE("child_group: a child that is handed out outlives the context as an object")
{
    for_each_config([](backend_config const& config) {
        std::optional<child> kept;
        {
            asio::io_context context;
            child_group group(context);
            kept.emplace(group.spawn_child(echoing(config)).value());
        }
        CHECK(kept->wait().value().signal() == SIGKILL);
    });
}

TEST_CASE("child_group: hands out children on its own type of executor")
{
    using executor = asio::io_context::executor_type;
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        basic_child_group<executor> group(context);
        auto spawned = group.spawn_child(echoing(config));
        static_assert(std::same_as<decltype(spawned), result<basic_child<executor>>>);
        spawned.value().in().close();
        std::optional<exit_status> status;
        group.async_spawn_child(echoing(config), [&](error_code ec, basic_child<executor> child) {
            CHECK_FALSE(ec.failed());
            child.in().close();
            auto const waiting = std::make_shared<basic_child<executor>>(std::move(child));
            waiting->async_wait([&, waiting](error_code, exit_status ended) { status = ended; });
        });
        context.run_for(60s);
        REQUIRE(status);
        CHECK(status->success());
    });
}

TEST_SUITE_END();
