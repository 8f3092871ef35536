// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/counting_allocator.hpp"
#include "support/support.hpp"

#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

#include <sys/wait.h>

using namespace brood;
using namespace test;

namespace {

child spawn_waiting(asio::any_io_executor const& executor, backend_config const& config)
{
    auto cmd = probe(config, "wait", "2");
    return spawn(executor, cmd.in(stdio::piped()).out(stdio::null())).value();
}

// Runs children one after the other and counts the exit codes that match.
asio::awaitable<void> run_children(backend_config config, int count, std::atomic<int>& matches)
{
    auto const ex = co_await asio::this_coro::executor;
    for (int i = 0; i < count; ++i)
        matches += (co_await async_run(ex, probe(config, "exit", std::to_string(i)))).code() == i;
}

// An event that is set once. Another thread waits for it for at most a minute.
class event {
public:
    void set() { promise_.set_value(); }
    bool wait() { return future_.wait_for(60s) == std::future_status::ready; }

private:
    std::promise<void> promise_;
    std::future<void> future_ = promise_.get_future();
};

} // namespace

TEST_SUITE_BEGIN("executors");

TEST_CASE("executors: two contexts run their children in parallel" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        std::atomic<int> matches = 0;
        auto const work = [&] { run(run_children(config, 50, matches)); };
        std::thread other(work);
        work();
        other.join();
        CHECK(matches == 100);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("executors: four threads run the children of a context" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        std::atomic<int> matches = 0;
        for (int i = 0; i < 8; ++i)
            asio::co_spawn(
                context, run_children(config, 25, matches), [](std::exception_ptr error) { CHECK_FALSE(error); });
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] { context.run_for(60s); });
        for (auto& thread : threads)
            thread.join();
        CHECK(matches == 200);
    });
}

TEST_CASE("executors: a thread pool runs the children" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::thread_pool pool(3);
        std::atomic<int> matches = 0;
        for (int i = 0; i < 20; ++i)
            async_run(pool, probe(config, "exit", std::to_string(i)), [&matches, i](error_code ec, exit_status status) {
                matches += !ec.failed() && status.code() == i;
            });
        pool.join();
        CHECK(matches == 20);
    });
}

TEST_CASE("executors: a slow handler does not delay the exit report of another child" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::thread_pool pool(2);
        auto first = spawn_waiting(pool.get_executor(), config);
        auto second = spawn_waiting(pool.get_executor(), config);
        event second_exit;
        bool reported = false;
        first.async_wait([&](error_code, exit_status) {
            second.in().close();
            reported = second_exit.wait();
        });
        second.async_wait([&](error_code, exit_status) { second_exit.set(); });
        first.in().close();
        pool.join();
        CHECK(reported);
    });
}

TEST_CASE("executors: handlers of simultaneous exits run in parallel" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto first = spawn_waiting(context.get_executor(), config);
        auto second = spawn_waiting(context.get_executor(), config);
        event first_exit, second_exit;
        int met = 0;
        std::mutex mutex;
        auto const meet = [&](event& own, event& other) {
            own.set();
            bool const reported = other.wait();
            std::lock_guard lock(mutex);
            met += reported;
        };
        first.async_wait([&](error_code, exit_status) { meet(first_exit, second_exit); });
        second.async_wait([&](error_code, exit_status) { meet(second_exit, first_exit); });
        for (auto* child : {&first, &second}) {
            child->in().close();
            siginfo_t info{};
            REQUIRE(::waitid(P_PID, static_cast<id_t>(child->id()), &info, WEXITED | WNOWAIT) == 0);
        }
        std::thread other([&] { context.run_for(60s); });
        context.run_for(60s);
        other.join();
        CHECK(met == 2);
    });
}

TEST_CASE("executors: a busy strand delays only its own children" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::thread_pool pool(2);
        auto const strand = asio::make_strand(pool);
        auto own = spawn_waiting(strand, config);
        auto other = spawn_waiting(pool.get_executor(), config);
        event other_exit;
        bool reported = false;
        own.async_wait([](error_code, exit_status) {});
        other.async_wait([&](error_code, exit_status) { other_exit.set(); });
        asio::post(strand, [&] {
            other.in().close();
            reported = other_exit.wait();
            own.in().close();
        });
        pool.join();
        CHECK(reported);
    });
}

TEST_CASE("executors: handlers of a child on a strand run on the strand")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto strand = asio::make_strand(context);
        auto cmd = probe(config, "wait", "2");
        auto child = spawn(strand, cmd.in(stdio::piped()).out(stdio::null())).value();
        static_assert(std::is_same_v<decltype(child)::executor_type, decltype(strand)>);
        int inside = 0;
        for (int i = 0; i < 3; ++i)
            child.async_wait([&](error_code, exit_status) { inside += strand.running_in_this_thread(); });
        child.async_stop({}, [&](error_code, exit_status) { inside += strand.running_in_this_thread(); });
        context.run_for(60s);
        CHECK(inside == 4);
        CHECK_FALSE(has_children());
    });
}

TEST_CASE(
    "executors: a pending wait keeps the associated executor of its handler busy, and the handler runs there" *
    needs_threads())
{
    for_each_config([&](backend_config const& config) {
        asio::io_context child_context, handler_context;
        auto cmd = probe(config, "wait", "2");
        auto child = spawn(child_context, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::thread::id handler_thread;
        int count = 0;
        auto handler = asio::bind_executor(handler_context, [&](error_code, exit_status) {
            handler_thread = std::this_thread::get_id();
            ++count;
        });
        child.async_wait(handler);
        std::thread other([&] { handler_context.run_for(60s); }); // returns after the handler has run
        auto const other_id = other.get_id();
        child.in().close();
        child_context.run_for(60s);
        other.join();
        CHECK(count == 1);
        CHECK(handler_thread == other_id);

        child.async_wait(handler); // after the exit
        child_context.restart();
        child_context.run_for(60s);
        handler_context.restart();
        handler_context.run_for(60s);
        CHECK(count == 2);
        CHECK(handler_thread == std::this_thread::get_id());
    });
}

TEST_CASE("executors: the associated allocator of a handler is used")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        std::atomic<int> allocations = 0;
        auto child = spawn(context, probe(config, "exit", "0")).value();
        bool completed = false;
        child.async_wait(asio::bind_allocator(
            counting_allocator<void*>(allocations), [&](error_code, exit_status) { completed = true; }));
        context.run_for(60s);
        CHECK(completed);
        CHECK(allocations > 0);
    });
}

TEST_CASE("executors: a child converts to another executor type")
{
    for_each_config([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "write", "1", "text");
        auto concrete = spawn(context.get_executor(), cmd.out(stdio::piped())).value();
        static_assert(std::is_same_v<decltype(concrete)::rebind_executor<asio::any_io_executor>::other, child>);
        child erased = std::move(concrete);
        run_on(context, [](child& converted) -> asio::awaitable<void> {
            CHECK(co_await read_all(converted.out()) == "text");
            CHECK((co_await converted.async_wait()).success());
        }(erased));
    });
}

TEST_CASE("executors: a child_group with the executor type of a context is constructed from the context")
{
    asio::io_context context;
    basic_child_group<asio::io_context::executor_type> from_context(context);
    basic_child_group<asio::io_context::executor_type> from_executor(context.get_executor());
    basic_child_group<> erased(context);
    static_assert(!std::is_constructible_v<basic_child_group<asio::io_context::executor_type>, asio::any_io_executor>);
    CHECK(from_context.get_executor() == from_executor.get_executor());
    CHECK(erased.get_executor() == asio::any_io_executor(context.get_executor()));
}

TEST_SUITE_END();
