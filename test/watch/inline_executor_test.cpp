// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "watch/inline_executor.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/thread_pool.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <mutex>
#include <thread>

#include <fcntl.h>

namespace asio = boost::asio;
using namespace brood::detail;

namespace {

auto never_blocking(asio::execution_context& context)
{
    return asio::require(inline_executor(context), asio::execution::blocking.never);
}

} // namespace

TEST_SUITE_BEGIN("inline_executor");

TEST_CASE("inline_executor: execute calls the function inline")
{
    asio::io_context context;
    int calls = 0;
    inline_executor(context).execute([&] { ++calls; });
    CHECK(calls == 1);
}

TEST_CASE("inline_executor: with blocking.never, the function runs when the context runs")
{
    asio::io_context context;
    std::mutex mutex;
    int calls = 0;
    {
        std::lock_guard lock(mutex);
        never_blocking(context).execute([&, owned = std::make_unique<int>(2)] {
            CHECK(mutex.try_lock());
            mutex.unlock();
            calls += *owned;
        });
        CHECK(calls == 0);
    }
    context.run();
    CHECK(calls == 2);
}

TEST_CASE("inline_executor: blocking.never is reported and can be required again")
{
    asio::io_context context;
    auto const executor = never_blocking(context);
    CHECK(asio::query(executor, asio::execution::blocking) == asio::execution::blocking.never);
    CHECK(&asio::query(executor, asio::execution::context) == &context);
    CHECK(asio::require(executor, asio::execution::blocking.never) == executor);
    CHECK(asio::prefer(executor, asio::execution::blocking.possibly) == executor);
}

TEST_CASE("inline_executor: with blocking.never, the function runs on a thread of the pool")
{
    asio::thread_pool pool(1);
    std::thread::id thread;
    asio::post(pool, [&] { never_blocking(pool).execute([&] { thread = std::this_thread::get_id(); }); });
    pool.join();
    CHECK(thread != std::thread::id());
    CHECK(thread != std::this_thread::get_id());
}

TEST_CASE("inline_executor: a context that never runs destroys the function with itself")
{
    auto const held = std::make_shared<int>();
    {
        asio::io_context context;
        never_blocking(context).execute([held] { FAIL("the context does not run"); });
        CHECK(held.use_count() == 2);
    }
    CHECK(held.use_count() == 1);
}

// epoll rejects a regular file, so the wait fails in its initiating function.
TEST_CASE("inline_executor: a wait that fails at once calls its handler when the context runs")
{
    int const fd = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    asio::io_context context;
    asio::posix::basic_stream_descriptor<inline_executor> file(inline_executor(context), fd);
    int calls = 0;
    boost::system::error_code error;
    file.async_wait(asio::posix::descriptor_base::wait_read, [&](boost::system::error_code ec) {
        ++calls;
        error = ec;
    });
    CHECK(calls == 0);
    context.run();
    CHECK(calls == 1);
    CHECK(error == boost::system::error_code(asio::error::operation_not_supported));
}

TEST_SUITE_END();
