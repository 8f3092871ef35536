// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#if __has_include(<boost/asio/cancel_after.hpp>) // from Boost 1.86 on
#    include <boost/asio/cancel_after.hpp>
#endif
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_future.hpp>

#include <memory>
#include <thread>
#include <type_traits>

#include <signal.h>

using namespace brood; // brood::spawn is qualified because boost::asio::spawn exists
using namespace test;

namespace {

// A token that returns the executor of the initiation.
struct executor_of {};

} // namespace

template <class Signature>
struct boost::asio::async_result<executor_of, Signature> {
    template <class Initiation, class... Args>
    static auto initiate(Initiation&& initiation, executor_of, Args&&...)
    {
        static_assert(
            std::is_same_v<
                typename std::decay_t<Initiation>::executor_type, std::decay_t<decltype(initiation.get_executor())>>);
        return initiation.get_executor();
    }
};

TEST_SUITE_BEGIN("tokens");

TEST_CASE("tokens: the default token is deferred and awaitable")
{
    run([]() -> asio::awaitable<void> {
        auto child =
            brood::spawn(co_await asio::this_coro::executor, probe(all_configs().front(), "exit", "3")).value();
        exit_status const status = co_await child.async_wait();
        CHECK(status.code() == 3);
        auto operation = child.async_wait();
        CHECK((co_await std::move(operation)).code() == 3);
    }());
}

TEST_CASE("tokens: use_awaitable is supported, also as the default of the executor")
{
    run([]() -> asio::awaitable<void> {
        using executor = asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>;
        executor const ex(co_await asio::this_coro::executor);
        basic_child<executor> child = brood::spawn(ex, probe(all_configs().front(), "exit", "3")).value();
        asio::awaitable<exit_status> wait = child.async_wait();
        CHECK((co_await std::move(wait)).code() == 3);
        CHECK((co_await child.async_wait(asio::use_awaitable)).code() == 3);
    }());
}

TEST_CASE("tokens: as_tuple and as_result return the error and the value")
{
    run([]() -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, probe(all_configs().front(), "exit", "3")).value();
        auto const [ec, status] = co_await child.async_wait(asio::as_tuple(asio::use_awaitable));
        CHECK_FALSE(ec.failed());
        CHECK(status.code() == 3);
        result<exit_status> good = co_await child.async_wait(as_result);
        CHECK(good.value().code() == 3);
        result<exit_status> same = co_await child.async_wait(as_result(asio::use_awaitable));
        CHECK(same.value().code() == 3);
        result<exit_status> bad = co_await async_run(ex, command("/nowhere"), as_result);
        CHECK(bad.error() == std::errc::no_such_file_or_directory);
        asio::steady_timer timer(ex, 0s);
        result<void> waited = co_await timer.async_wait(as_result);
        CHECK(waited);
    }());
}

TEST_CASE("tokens: use_future is supported")
{
    asio::io_context context;
    auto child = brood::spawn(context, probe(all_configs().front(), "exit", "3")).value();
    std::future<exit_status> future = child.async_wait(asio::use_future);
    std::future<exit_status> failing = async_run(context, command("/nowhere"), asio::use_future);
    context.run_for(60s);
    CHECK(future.get().code() == 3);
    CHECK_THROWS_AS(failing.get(), boost::system::system_error);
}

TEST_CASE("tokens: detached is supported")
{
    asio::io_context context;
    auto child = brood::spawn(context, probe(all_configs().front(), "pause")).value();
    child.async_kill(asio::detached);
    context.run_for(60s);
    CHECK(child.try_wait().value()->signal() == SIGKILL);
}

TEST_CASE("tokens: yield_context is supported")
{
    asio::io_context context;
    std::optional<int> code;
    asio::spawn(
        context,
        [&](asio::yield_context yield) {
            auto child = brood::spawn(context, probe(all_configs().front(), "exit", "3")).value();
            code = child.async_wait(yield).code();
            error_code ec;
            child.async_kill(yield[ec]);
            CHECK_FALSE(ec.failed());
        },
        asio::detached);
    context.run_for(60s);
    CHECK(code == 3);
}

TEST_CASE("tokens: a deferred operation starts when it is invoked")
{
    asio::io_context context;
    auto child = brood::spawn(context, probe(all_configs().front(), "pause")).value();
    auto kill = child.async_kill(asio::deferred);
    context.run_for(60s);
    CHECK(is_alive(child.id()));
    std::optional<int> signal;
    std::move(kill)([&](error_code, exit_status status) { signal = status.signal(); });
    context.restart();
    context.run_for(60s);
    CHECK(signal == SIGKILL);
}

TEST_CASE("tokens: as_result preserves the executor, allocator and cancellation slot")
{
    asio::io_context context;
    auto strand = asio::make_strand(context);
    auto child = brood::spawn(context, probe(all_configs().front(), "pause")).value();
    asio::cancellation_signal cancel;
    bool on_strand = false;
    error_code error;
    child.async_wait(as_result(
        asio::bind_cancellation_slot(cancel.slot(), asio::bind_executor(strand, [&](result<exit_status> status) {
                                         on_strand = strand.running_in_this_thread();
                                         error = status.error();
                                     }))));
    cancel.emit(asio::cancellation_type::total);
    context.run_for(60s);
    CHECK(on_strand);
    CHECK(error == error_code(asio::error::operation_aborted));

    auto const bound = as_result(asio::bind_allocator(std::allocator<int>(), [](result<void>) {}));
    using handler = detail::wrapped_handler<decltype(bound.token), detail::to_result>;
    static_assert(std::is_same_v<asio::associated_allocator_t<handler>, std::allocator<int>>);
}

TEST_CASE("tokens: as_result accepts const and reused tokens")
{
    run([]() -> asio::awaitable<void> {
        auto child =
            brood::spawn(co_await asio::this_coro::executor, probe(all_configs().front(), "exit", "3")).value();
        auto const token = as_result(asio::use_awaitable);
        for (int i = 0; i < 2; ++i) {
            result<exit_status> status = co_await child.async_wait(token);
            CHECK(status.value().code() == 3);
        }
        auto const adapter = as_result;
        result<exit_status> status = co_await child.async_wait(adapter);
        CHECK(status.value().code() == 3);
    }());

    asio::io_context context;
    auto child = brood::spawn(context, probe(all_configs().front(), "exit", "3")).value();
    int sum = 0;
    auto handler = as_result([&sum, factor = std::make_shared<int>(10)](result<exit_status> status) {
        sum += *factor * status.value().code().value(); // fails if the handler has been moved from
    });
    auto const const_handler = handler;
    child.async_wait(handler);
    child.async_wait(handler);
    child.async_wait(const_handler);
    child.async_wait(std::move(const_handler));
    child.async_wait(as_result([&sum, factor = std::make_unique<int>(100)](result<exit_status> status) {
        sum += *factor * status.value().code().value();
    }));
    context.run_for(60s);
    CHECK(sum == 4 * 10 * 3 + 100 * 3);
}

TEST_CASE("tokens: as_result preserves the executor of the initiation")
{
    asio::io_context context;
    auto strand = asio::make_strand(context);
    auto child = brood::spawn(strand, probe(all_configs().front(), "exit", "0")).value();
    auto const executor = child.async_wait(as_result(executor_of()));
    static_assert(std::is_same_v<decltype(executor), decltype(strand) const>);
    CHECK(executor == strand);
    context.run_for(60s);
    CHECK(child.wait().value().success());
}

#if __has_include(<boost/asio/cancel_after.hpp>)
TEST_CASE("tokens: as_result adapts cancel_after")
{
    run([]() -> asio::awaitable<void> {
        auto child = brood::spawn(co_await asio::this_coro::executor, probe(all_configs().front(), "pause")).value();
        result<exit_status> status = co_await child.async_wait(as_result(asio::cancel_after(1ms)));
        CHECK(status.error() == error_code(asio::error::operation_aborted));
        CHECK((co_await child.async_kill()).signal() == SIGKILL);
    }());
}
#endif

TEST_CASE("tokens: a wait can race a timer under awaitable operators")
{
    using namespace asio::experimental::awaitable_operators;
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto child = brood::spawn(ex, probe(config, "pause")).value();
        asio::steady_timer timer(ex, 1ms);
        auto const first = co_await (child.async_wait(asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
        CHECK(first.index() == 1);
        CHECK(is_alive(child.id()));
        CHECK((co_await child.async_kill()).signal() == SIGKILL);
    });
}

TEST_SUITE_END();
