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

child waiting(asio::any_io_executor const& executor, way const& w)
{
    auto cmd = probe(w, "wait", "2");
    return spawn(executor, cmd.in(stdio::piped()).out(stdio::null())).value();
}

// Happens once, and is waited for on another thread, a minute at most.
class happening {
public:
    void tell() { promise_.set_value(); }
    bool await() { return future_.wait_for(60s) == std::future_status::ready; }

private:
    std::promise<void> promise_;
    std::future<void> future_ = promise_.get_future();
};

} // namespace

TEST_SUITE_BEGIN("executors");

TEST_CASE("children on two contexts, each run by its own thread" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::atomic<int> right = 0;
        auto const work = [&] {
            run([](way by, std::atomic<int>& count) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                for (int i = 0; i < 50; ++i)
                    count += (co_await async_run(ex, probe(by, "exit", std::to_string(i)))).code() == i;
            }(w, right));
        };
        std::thread other(work);
        work();
        other.join();
        CHECK(right == 100);
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("four threads run one context" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        std::atomic<int> right = 0;
        for (int i = 0; i < 8; ++i)
            asio::co_spawn(
                context,
                [](way by, std::atomic<int>& count) -> asio::awaitable<void> {
                    auto const ex = co_await asio::this_coro::executor;
                    for (int n = 0; n < 25; ++n)
                        count += (co_await async_run(ex, probe(by, "exit", std::to_string(n)))).code() == n;
                }(w, right),
                [](std::exception_ptr failed) { CHECK_FALSE(failed); });
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] { context.run_for(60s); });
        for (auto& thread : threads)
            thread.join();
        CHECK(right == 200);
    }
}

TEST_CASE("a thread pool is a loop too" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::thread_pool pool(3);
        std::atomic<int> right = 0;
        for (int i = 0; i < 20; ++i)
            async_run(pool, probe(w, "exit", std::to_string(i)), [&right, i](error_code ec, exit_status status) {
                right += !ec.failed() && status.code() == i;
            });
        pool.join();
        CHECK(right == 20);
    }
}

TEST_CASE("a handler that takes its time keeps no other child's end from being told" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::thread_pool pool(2);
        auto first = waiting(pool.get_executor(), w);
        auto second = waiting(pool.get_executor(), w);
        happening second_told;
        bool heard = false;
        first.async_wait([&](error_code, exit_status) {
            second.in().close();
            heard = second_told.await();
        });
        second.async_wait([&](error_code, exit_status) { second_told.tell(); });
        first.in().close();
        pool.join();
        CHECK(heard);
    }
}

TEST_CASE("of ends that are told at once, none waits for another one's handler" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto first = waiting(context.get_executor(), w);
        auto second = waiting(context.get_executor(), w);
        happening first_told, second_told;
        int met = 0;
        std::mutex mutex;
        auto const meet = [&](happening& mine, happening& other) {
            mine.tell();
            bool const heard = other.await();
            std::lock_guard lock(mutex);
            met += heard;
        };
        first.async_wait([&](error_code, exit_status) { meet(first_told, second_told); });
        second.async_wait([&](error_code, exit_status) { meet(second_told, first_told); });
        for (auto* one : {&first, &second}) {
            one->in().close();
            siginfo_t info{};
            REQUIRE(::waitid(P_PID, static_cast<id_t>(one->id()), &info, WEXITED | WNOWAIT) == 0);
        }
        std::thread other([&] { context.run_for(60s); });
        context.run_for(60s);
        other.join();
        CHECK(met == 2);
    }
}

TEST_CASE("a strand that is busy holds up only its own children" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::thread_pool pool(2);
        auto const strand = asio::make_strand(pool);
        auto own = waiting(strand, w);
        auto other = waiting(pool.get_executor(), w);
        happening other_told;
        bool heard = false;
        own.async_wait([](error_code, exit_status) {});
        other.async_wait([&](error_code, exit_status) { other_told.tell(); });
        asio::post(strand, [&] {
            other.in().close();
            heard = other_told.await();
            own.in().close();
        });
        pool.join();
        CHECK(heard);
    }
}

TEST_CASE("a child lives on a strand")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto strand = asio::make_strand(context);
        auto cmd = probe(w, "wait", "2");
        auto child = spawn(strand, cmd.in(stdio::piped()).out(stdio::null())).value();
        static_assert(std::is_same_v<decltype(child)::executor_type, decltype(strand)>);
        int inside = 0;
        for (int i = 0; i < 3; ++i)
            child.async_wait([&](error_code, exit_status) { inside += strand.running_in_this_thread(); });
        child.async_stop({}, [&](error_code, exit_status) { inside += strand.running_in_this_thread(); });
        context.run_for(60s);
        CHECK(inside == 4);
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("handlers run on their associated executor, which is kept at work" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context of_child, of_handler;
        auto cmd = probe(w, "wait", "2");
        auto child = spawn(of_child, cmd.in(stdio::piped()).out(stdio::null())).value();
        std::thread::id told;
        int count = 0;
        auto handler = asio::bind_executor(of_handler, [&](error_code, exit_status) {
            told = std::this_thread::get_id();
            ++count;
        });
        child.async_wait(handler);
        std::thread other([&] { of_handler.run_for(60s); }); // ends when the handler has run, not before
        auto const other_id = other.get_id();
        child.in().close();
        of_child.run_for(60s);
        other.join();
        CHECK(count == 1);
        CHECK(told == other_id);

        child.async_wait(handler); // after the end
        of_child.restart();
        of_child.run_for(60s);
        of_handler.restart();
        of_handler.run_for(60s);
        CHECK(count == 2);
        CHECK(told == std::this_thread::get_id());
    }
}

TEST_CASE("associated allocators are used")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        std::atomic<int> allocations = 0;
        auto child = spawn(context, probe(w, "exit", "0")).value();
        bool told = false;
        child.async_wait(asio::bind_allocator(
            counting_allocator<void*>(allocations), [&](error_code, exit_status) { told = true; }));
        context.run_for(60s);
        CHECK(told);
        CHECK(allocations > 0);
    }
}

TEST_CASE("a child can be taken over by another type of executor")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        asio::io_context context;
        auto cmd = probe(w, "write", "1", "text");
        auto concrete = spawn(context.get_executor(), cmd.out(stdio::piped())).value();
        static_assert(std::is_same_v<decltype(concrete)::rebind_executor<asio::any_io_executor>::other, child>);
        child erased = std::move(concrete);
        run_on(context, [](child& c) -> asio::awaitable<void> {
            CHECK(co_await read_all(c.out()) == "text");
            CHECK((co_await c.async_wait()).success());
        }(erased));
    }
}

TEST_SUITE_END();
