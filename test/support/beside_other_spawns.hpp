// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_BESIDE_OTHER_SPAWNS_HPP
#define BROOD_TEST_SUPPORT_BESIDE_OTHER_SPAWNS_HPP

#include "support/support.hpp"

#include <atomic>
#include <thread>

namespace test {

/// Calls a body 50 times while another thread starts children that run on, as fast as possible.
/**
 * The body waits for the end of what a child of its own holds open: that comes only if no other child holds it too.
 */
template <class Body>
void beside_other_spawns(brood::command const& other_child, Body body)
{
    struct spawner {
        explicit spawner(brood::command const& cmd)
            : thread([this, &cmd] {
                  asio::io_context context;
                  while (!done)
                      (void)brood::spawn(context, cmd);
              })
        {}
        ~spawner()
        {
            done = true;
            thread.join();
        }

        std::atomic<bool> done = false;
        std::thread thread;
    } const other(other_child);
    int ended = 0;
    run([](Body& once, int& count) -> asio::awaitable<void> {
        for (; count < 50; ++count)
            co_await once(co_await asio::this_coro::executor);
    }(body, ended));
    CHECK(ended == 50);
}

} // namespace test

#endif
