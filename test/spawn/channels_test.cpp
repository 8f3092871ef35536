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

// A child that echoes a channel.
command echo(backend_config const& config, int channel)
{
    auto cmd = probe(config, "copy");
    cmd.in(stdio::same_as(channel)).out(stdio::same_as(channel)).fd(channel, stdio::piped());
    return cmd;
}

// Sends a text to a child that echoes the channel. Returns all that it sends back.
template <class Channel>
asio::awaitable<std::string> echoed(Channel& channel, std::string text)
{
    co_await asio::async_write(channel, asio::buffer(text), asio::use_awaitable);
    channel.shutdown(asio::local::stream_protocol::socket::shutdown_send);
    co_return co_await read_all(channel);
}

} // namespace

TEST_SUITE_BEGIN("channels");

TEST_CASE("channel: data and end of file pass in both directions")
{
    for_each_config([&](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, echo(config, 5)).value();
        CHECK(child.channel(5).is_open());
        CHECK_FALSE(child.out().is_open());
        CHECK(co_await echoed(child.channel(5), "through") == "through");
        CHECK((co_await child.async_wait()).success());
    });
}

TEST_CASE("channel: converts to a local stream socket of Asio, by construction and by assignment")
{
    for_each_config([&](backend_config const& config) -> asio::awaitable<void> {
        using socket = asio::local::stream_protocol::socket;
        auto const ex = co_await asio::this_coro::executor;
        auto first = brood::spawn(ex, echo(config, 5)).value();
        socket constructed(std::move(first.channel(5)));
        CHECK_FALSE(first.channel(5).is_open());
        CHECK(co_await echoed(constructed, "constructed") == "constructed");
        auto second = brood::spawn(ex, echo(config, 5)).value();
        socket assigned(ex);
        assigned = std::move(second.channel(5));
        CHECK(co_await echoed(assigned, "assigned") == "assigned");
        CHECK((co_await first.async_wait()).success());
        CHECK((co_await second.async_wait()).success());
    });
}

TEST_CASE("channel: only piped descriptors above 2 have one")
{
    for_each_backend([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "exit", "0");
        cmd.out(stdio::piped()).fd(4, stdio::null()).fd(5, stdio::piped()).fd(6, stdio::same_as(5));
        auto child = brood::spawn(context, cmd).value();
        for (int fd : {-1, 0, 1, 2, 3, 4, 6, 7}) {
            CAPTURE(fd);
            CHECK_FALSE(child.channel(fd).is_open());
        }
        CHECK(child.channel(5).is_open());
        auto const moved = std::move(child.channel(5));
        CHECK(moved.is_open());
        CHECK_FALSE(child.channel(5).is_open());
    });
}

TEST_CASE("channel: several channels and other descriptors work in any order")
{
    for_each_config([&](backend_config const& config) {
        std::array<int, 3> numbers{5, 6, 7};
        do {
            run([&](std::array<int, 3> fds) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto const to = "--to=" + std::to_string(fds[0]);
                auto cmd = probe(config, to, "read", std::to_string(fds[1]));
                cmd.in(stdio::null()).fd(fds[0], stdio::piped()).fd(fds[1], stdio::piped());
                cmd.fd(fds[2], stdio::fd(2)).fd(8, stdio::same_as(fds[2])).fd(3, stdio::null());
                auto child = brood::spawn(ex, cmd).value();
                co_await asio::async_write(child.channel(fds[1]), asio::buffer("apart", 5), asio::use_awaitable);
                child.channel(fds[1]).shutdown(asio::local::stream_protocol::socket::shutdown_send);
                CHECK(co_await read_all(child.channel(fds[0])) == "apart");
                CHECK(co_await read_all(child.channel(fds[1])) == "");
                CHECK((co_await child.async_wait()).success());
            }(numbers));
        } while (std::next_permutation(numbers.begin(), numbers.end()));
    });
}

TEST_CASE("channel: its number may be that of either end in the parent")
{
    for_each_config([&](backend_config const& config) {
        auto const lowest_free = [] {
            int const fd = ::fcntl(2, F_DUPFD_CLOEXEC, 3);
            ::close(fd);
            return fd;
        }();
        for (int number = lowest_free; number < lowest_free + 8; ++number) {
            CAPTURE(number);
            run([&](int fd) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto child = brood::spawn(ex, echo(config, fd)).value();
                CHECK(co_await echoed(child.channel(fd), "there") == "there");
                co_await child.async_wait();
            }(number));
        }
    });
}

TEST_CASE("channel: works if standard streams of the parent are closed")
{
    for_each_config([&](backend_config const& config) {
        std::array<std::string, 8> received;
        for (unsigned closed = 0; closed < 8; ++closed) {
            standard_streams without(closed);
            run([&](std::string& text) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto child = brood::spawn(ex, echo(config, 5).err(stdio::null())).value();
                co_await asio::async_write(child.channel(5), asio::buffer("through", 7), asio::use_awaitable);
                child.channel(5).shutdown(asio::local::stream_protocol::socket::shutdown_send);
                error_code ec;
                co_await asio::async_read(
                    child.channel(5), asio::dynamic_buffer(text), asio::redirect_error(asio::use_awaitable, ec));
                co_await child.async_wait();
            }(received[closed]));
        }
        for (unsigned closed = 0; closed < 8; ++closed) {
            CAPTURE(closed);
            CHECK(received[closed] == "through");
        }
    });
}

TEST_CASE("channel: the child's end is blocking, the parent's is not")
{
    for_each_config([&](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto cmd = probe(config, "--to=5", "blocking", "5");
        auto child = brood::spawn(ex, cmd.fd(5, stdio::piped())).value();
        int const end = child.channel(5).native_handle();
        CHECK((::fcntl(end, F_GETFL) & O_NONBLOCK) != 0);
        CHECK((::fcntl(end, F_GETFD) & FD_CLOEXEC) != 0);
        CHECK(co_await read_all(child.channel(5)) == "yes");
        co_await child.async_wait();
    });
}

TEST_CASE("channel: moves with the child and its executor")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        run_on(context, [&](asio::io_context& ctx) -> asio::awaitable<void> {
            auto original = brood::spawn(ctx.get_executor(), echo(config, 5)).value();
            brood::child child(std::move(original));
            CHECK_FALSE(original.channel(5).is_open());
            brood::child moved(std::move(child));
            CHECK_FALSE(child.channel(5).is_open());
            CHECK(co_await echoed(moved.channel(5), "kept") == "kept");
            CHECK((co_await moved.async_wait()).success());
        }(context));
    });
}

TEST_CASE("channel: a failed spawn closes both ends")
{
    for_each_backend([&](backend_config const& config) {
        asio::io_context context;
        command missing("/nowhere");
        missing.backend(config.backend).fd(5, stdio::piped()).fd(6, stdio::piped());
        CHECK(stage_of(brood::spawn(context, missing).error()) == spawn_stage::exec);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("channel: concurrent spawns do not inherit it" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        auto other = probe(config, "pause");
        beside_other_spawns(
            other.fd(5, stdio::piped()).out(stdio::null()).err(stdio::null()),
            [&](asio::any_io_executor ex) -> asio::awaitable<void> {
                auto child = brood::spawn(ex, echo(config, 5)).value();
                CHECK(co_await echoed(child.channel(5), "mine") == "mine");
                co_await child.async_wait();
            });
    });
}

// Asio makes the parent's end of a pipe non-blocking, and the flag is shared.
TEST_CASE("fd: the parent's end of one child's pipe works as the input or output of another child")
{
    for_each_backend([](backend_config const& config) {
        run([](backend_config started_by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            auto source_cmd = probe(started_by, "copy");
            auto source = spawn(ex, source_cmd.in(stdio::piped()).out(stdio::piped())).value();
            auto blocking_cmd = probe(started_by, "blocking", "0");
            blocking_cmd.in(stdio::fd(source.out().native_handle()));
            CHECK((co_await output_of(blocking_cmd)).out == "yes");
            auto reader_cmd = probe(started_by, "copy");
            reader_cmd.in(stdio::fd(source.out().native_handle())).out(stdio::piped());
            auto reader = co_await async_spawn(ex, reader_cmd);
            auto writer_cmd = probe(started_by, "write", "1", "text");
            auto writer = spawn(ex, writer_cmd.out(stdio::fd(source.in().native_handle()))).value();
            CHECK((co_await writer.async_wait()).success());
            source.in().close();
            CHECK(co_await read_all(reader.out()) == "text");
            CHECK((co_await reader.async_wait()).success());
            CHECK((co_await source.async_wait()).success());
        }(config));
    });
}

TEST_SUITE_END();
