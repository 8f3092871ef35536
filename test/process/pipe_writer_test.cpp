// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/write.hpp>

#include <array>

#include <signal.h>

using namespace brood;
using namespace test;

namespace {

// Ends the test program if SIGPIPE is raised.
class default_sigpipe {
public:
    default_sigpipe() : before_(::signal(SIGPIPE, SIG_DFL)) {}
    ~default_sigpipe() { ::signal(SIGPIPE, before_); }

    default_sigpipe(default_sigpipe const&) = delete;
    default_sigpipe& operator=(default_sigpipe const&) = delete;

private:
    void (*before_)(int);
};

child spawn_reader(asio::io_context& context, backend_config const& config, char const* action = "copy")
{
    return spawn(context, probe(config, action).in(stdio::piped()).out(stdio::piped())).value();
}

std::string const large(1'000'000, 'x'); // more than fits into a pipe

} // namespace

TEST_SUITE_BEGIN("pipe_writer");

TEST_CASE("pipe_writer: what is written reaches the child, whatever the size and the form")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        brood::child child = spawn(ex, probe(config, "copy").in(stdio::piped()).out(stdio::piped())).value();
        CHECK(child.in().is_open());
        CHECK(child.in().get_executor() == ex);
        std::string read;
        auto reading = [](brood::child& from, std::string& to) -> asio::awaitable<void> {
            to = co_await read_all(from.out());
        };
        asio::co_spawn(ex, reading(child, read), asio::detached);
        CHECK(child.in().write_some(asio::buffer("ab", 2)) == 2);
        CHECK(co_await child.in().async_write_some(asio::buffer("cd", 2)) == 2);
        std::string text = "ef";
        CHECK(co_await asio::async_write(child.in(), asio::dynamic_buffer(text), asio::use_awaitable) == 2);
        std::array<asio::const_buffer, 3> const parts{
            asio::buffer("g", 1), asio::const_buffer(), asio::buffer("hi", 2)};
        CHECK(co_await asio::async_write(child.in(), parts, asio::use_awaitable) == 3);
        CHECK(co_await asio::async_write(child.in(), asio::buffer(large), asio::use_awaitable) == large.size());
        CHECK(co_await child.in().async_write_some(asio::const_buffer()) == 0);
        child.in().close();
        CHECK_FALSE(child.in().is_open());
        CHECK((co_await child.async_wait()).success());
        while (read.empty())
            co_await asio::post(ex, asio::deferred);
        CHECK(read == "abcdefghi" + large);
    });
}

TEST_CASE("pipe_writer: a write to a child that is gone fails with broken_pipe, without SIGPIPE")
{
    default_sigpipe const sigpipe;
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = spawn(ex, probe(config, "exit", "0").in(stdio::piped())).value();
        co_await child.async_wait();
        error_code error;
        CHECK(child.in().write_some(asio::buffer("x", 1), error) == 0);
        CHECK(error == std::errc::broken_pipe);
        CHECK_THROWS_AS(child.in().write_some(asio::buffer("x", 1)), boost::system::system_error);
        auto const [failed, written] =
            co_await asio::async_write(child.in(), asio::buffer(large), asio::as_tuple(asio::use_awaitable));
        CHECK(failed == std::errc::broken_pipe);
        CHECK(written == 0);
    });
}

TEST_CASE(
    "pipe_writer: without pwritev2, a write to a child that is gone does not raise SIGPIPE either" *
    doctest::skip(!can_deny_syscalls()))
{
    for (std::string const error : {"ENOSYS", "EPERM"}) {
        CAPTURE(error);
        forked copy([&] {
            default_sigpipe const sigpipe;
            deny_syscalls("pwritev2=" + error);
            asio::io_context context;
            auto child = spawn(context, command(probe_path(), "exit", "0").in(stdio::piped())).value();
            error_code written;
            return child.wait().has_value() && child.in().write_some(asio::buffer("x", 1), written) == 0 &&
                   written == std::errc::broken_pipe;
        });
        CHECK(copy.succeeds());
    }
}

TEST_CASE("pipe_writer: a write to a child that ends while the pipe is full fails with broken_pipe")
{
    default_sigpipe const sigpipe;
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto child = spawn_reader(context, config, "pause");
        std::optional<error_code> error;
        std::size_t written = 0;
        asio::async_write(child.in(), asio::buffer(large), [&](error_code ec, std::size_t count) {
            error = ec;
            written = count;
        });
        context.poll();
        CHECK_FALSE(error);
        CHECK(child.kill());
        context.run_for(60s);
        CHECK(error == std::errc::broken_pipe);
        CHECK(written > 0);
        CHECK(written < large.size());
    });
}

TEST_CASE("pipe_writer: a pending write is cancelled by its slot, cancel, close, release and the destructor")
{
    for_each_config([](backend_config const& config) {
        for (int way = 0; way < 5; ++way) {
            CAPTURE(way);
            asio::io_context context;
            auto child = spawn_reader(context, config, "pause");
            auto writer = std::make_unique<pipe_writer>(std::move(child.in()));
            CHECK_FALSE(child.in().is_open());
            asio::cancellation_signal signal;
            std::optional<error_code> error;
            asio::async_write(
                *writer, asio::buffer(large),
                asio::bind_cancellation_slot(signal.slot(), [&](error_code ec, std::size_t) { error = ec; }));
            context.poll();
            CHECK_FALSE(error);
            int released = -1;
            switch (way) {
            case 0: signal.emit(asio::cancellation_type::terminal); break;
            case 1: writer->cancel(); break;
            case 2: writer->close(); break;
            case 3: released = writer->release(); break;
            case 4: writer.reset(); break;
            }
            CHECK((released >= 0) == (way == 3));
            if (released >= 0)
                ::close(released);
            context.restart();
            context.run_for(60s);
            CHECK(error == asio::error::operation_aborted);
        }
    });
}

TEST_CASE("pipe_writer: a write of a closed writer fails, and its other members do nothing")
{
    asio::io_context context;
    pipe_writer writer(context.get_executor());
    CHECK_FALSE(writer.is_open());
    CHECK(writer.native_handle() == -1);
    CHECK(writer.release() == -1);
    writer.cancel();
    writer.close();
    error_code error;
    CHECK(writer.write_some(asio::buffer("x", 1), error) == 0);
    CHECK(error == std::errc::bad_file_descriptor);
    std::optional<error_code> failed;
    writer.async_write_some(asio::buffer("x", 1), [&](error_code ec, std::size_t) { failed = ec; });
    CHECK_FALSE(failed);
    context.run();
    CHECK(failed == std::errc::bad_file_descriptor);
    writer.assign(-1, error);
    CHECK(error.failed());
    CHECK_FALSE(writer.is_open());
}

TEST_CASE("pipe_writer: a writer converts to another executor, and a move closes the assigned one")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto concrete =
            spawn(context.get_executor(), probe(config, "copy").in(stdio::piped()).out(stdio::null())).value();
        pipe_writer writer(std::move(concrete.in()));
        CHECK_FALSE(concrete.in().is_open());
        CHECK(writer.write_some(asio::buffer("x", 1)) == 1);
        writer = pipe_writer(context.get_executor()); // the child reads end of file
        CHECK(concrete.wait().value().success());
    });
}

TEST_CASE("pipe_writer: the event loop may be destroyed while a write is pending")
{
    for_each_config([](backend_config const& config) {
        auto const token = std::make_shared<int>();
        std::optional<child> survivor;
        {
            asio::io_context context;
            survivor = spawn(context, probe(config, "pause").in(stdio::piped()).out(stdio::null())).value();
            asio::async_write(survivor->in(), asio::buffer(large), [token](error_code, std::size_t) {});
            context.poll();
            CHECK(token.use_count() == 2);
        }
        CHECK(token.use_count() == 1);
        CHECK(survivor->kill());
        CHECK(survivor->wait().value().signal() == SIGKILL);
    });
}

TEST_SUITE_END();
