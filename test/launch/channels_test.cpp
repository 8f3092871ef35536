// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/beside_other_spawns.hpp"
#include "support/standard_streams.hpp"
#include "support/support.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include <array>

#include <fcntl.h>

using namespace brood;
using namespace test;

namespace {

// Copies what it reads from a channel back into it.
command mirror(way const& w, int channel)
{
    auto cmd = probe(w, "copy");
    cmd.in(stdio::same_as(channel)).out(stdio::same_as(channel)).fd(channel, stdio::piped());
    return cmd;
}

// What comes back through a channel, to the end.
template <class Channel>
asio::awaitable<std::string> mirrored(Channel& channel, std::string text)
{
    co_await asio::async_write(channel, asio::buffer(text), asio::use_awaitable);
    channel.shutdown(asio::local::stream_protocol::socket::shutdown_send);
    co_return co_await read_all(channel);
}

} // namespace

TEST_SUITE_BEGIN("channels");

TEST_CASE("a channel carries both ways, and its end too")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto child = brood::spawn(ex, mirror(by, 5)).value();
            CHECK(child.channel(5).is_open());
            CHECK_FALSE(child.out().is_open());
            CHECK(co_await mirrored(child.channel(5), "through") == "through");
            CHECK((co_await child.async_wait()).success());
        }(w));
    }
}

TEST_CASE("only what is piped has a channel")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "exit", "0");
        cmd.out(stdio::piped()).fd(4, stdio::null()).fd(5, stdio::piped()).fd(6, stdio::same_as(5));
        auto child = brood::spawn(context, cmd).value();
        for (int fd : {-1, 0, 1, 2, 3, 4, 6, 7}) {
            CAPTURE(fd);
            CHECK_FALSE(child.channel(fd).is_open());
        }
        CHECK(child.channel(5).is_open());
        auto const taken = std::move(child.channel(5));
        CHECK(taken.is_open());
        CHECK_FALSE(child.channel(5).is_open());
    }
}

TEST_CASE("channels in any order with other descriptors stay apart")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::array<int, 3> numbers{5, 6, 7};
        do {
            run([](way by, std::array<int, 3> fds) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto const to = "--to=" + std::to_string(fds[0]);
                auto cmd = probe(by, to, "read", std::to_string(fds[1]));
                cmd.in(stdio::null()).fd(fds[0], stdio::piped()).fd(fds[1], stdio::piped());
                cmd.fd(fds[2], stdio::fd(2)).fd(8, stdio::same_as(fds[2])).fd(3, stdio::null());
                auto child = brood::spawn(ex, cmd).value();
                co_await asio::async_write(child.channel(fds[1]), asio::buffer("apart", 5), asio::use_awaitable);
                child.channel(fds[1]).shutdown(asio::local::stream_protocol::socket::shutdown_send);
                CHECK(co_await read_all(child.channel(fds[0])) == "apart");
                CHECK(co_await read_all(child.channel(fds[1])) == "");
                CHECK((co_await child.async_wait()).success());
            }(w, numbers));
        } while (std::next_permutation(numbers.begin(), numbers.end()));
    }
}

TEST_CASE("a channel may have the number that one of its ends has in the parent")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const free = [] {
            int const lowest = ::fcntl(2, F_DUPFD_CLOEXEC, 3);
            ::close(lowest);
            return lowest;
        }();
        for (int number = free; number < free + 8; ++number) {
            CAPTURE(number);
            run([](way by, int fd) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto child = brood::spawn(ex, mirror(by, fd)).value();
                CHECK(co_await mirrored(child.channel(fd), "there") == "there");
                co_await child.async_wait();
            }(w, number));
        }
    }
}

TEST_CASE("channels are right with any of the parent's standard streams closed")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::array<std::string, 8> told;
        for (unsigned closed = 0; closed < 8; ++closed) {
            standard_streams without(closed);
            run([](way by, std::string& copied) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto child = brood::spawn(ex, mirror(by, 5).err(stdio::null())).value();
                co_await asio::async_write(child.channel(5), asio::buffer("through", 7), asio::use_awaitable);
                child.channel(5).shutdown(asio::local::stream_protocol::socket::shutdown_send);
                error_code end;
                co_await asio::async_read(
                    child.channel(5), asio::dynamic_buffer(copied), asio::redirect_error(asio::use_awaitable, end));
                co_await child.async_wait();
            }(w, told[closed]));
        }
        for (unsigned closed = 0; closed < 8; ++closed) {
            CAPTURE(closed);
            CHECK(told[closed] == "through");
        }
    }
}

TEST_CASE("the child's end of a channel blocks, the parent's does not")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto cmd = probe(by, "--to=5", "blocking", "5");
            auto child = brood::spawn(ex, cmd.fd(5, stdio::piped())).value();
            int const end = child.channel(5).native_handle();
            CHECK((::fcntl(end, F_GETFL) & O_NONBLOCK) != 0);
            CHECK((::fcntl(end, F_GETFD) & FD_CLOEXEC) != 0);
            CHECK(co_await read_all(child.channel(5)) == "yes");
            co_await child.async_wait();
        }(w));
    }
}

TEST_CASE("a child keeps its channels when it changes its executor or its object")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        run_on(context, [](asio::io_context& loop, way by) -> asio::awaitable<void> {
            auto special = brood::spawn(loop.get_executor(), mirror(by, 5)).value();
            brood::child child(std::move(special));
            CHECK_FALSE(special.channel(5).is_open());
            brood::child moved(std::move(child));
            CHECK_FALSE(child.channel(5).is_open());
            CHECK(co_await mirrored(moved.channel(5), "kept") == "kept");
            CHECK((co_await moved.async_wait()).success());
        }(context, w));
    }
}

TEST_CASE("a failed spawn closes both ends")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        command missing("/nowhere");
        missing.backend(w.backend).fd(5, stdio::piped()).fd(6, stdio::piped());
        CHECK(stage_of(brood::spawn(context, missing).error()) == spawn_stage::exec);
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("two threads that spawn at once never hold each other's channels open" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto other = probe(w, "pause");
        beside_other_spawns(
            other.fd(5, stdio::piped()).out(stdio::null()).err(stdio::null()),
            [&](asio::any_io_executor ex) -> asio::awaitable<void> {
                auto child = brood::spawn(ex, mirror(w, 5)).value();
                CHECK(co_await mirrored(child.channel(5), "mine") == "mine");
                co_await child.async_wait();
            });
    }
}

TEST_SUITE_END();
