// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_BROOD_LOOP_HPP
#define BROOD_BENCH_BROOD_LOOP_HPP

#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <vector>

namespace bench {

/// The same work as floor_loop's, by brood on an event loop.
class brood_loop {
public:
    brood_loop(brood::command cmd, int in_flight);

    int in_flight() const noexcept { return static_cast<int>(children_.size()); }

    /// Starts `count` children in all, `in_flight` at a time, and awaits each.
    void run(int count);

private:
    void start_one(brood::child& child);

    brood::command command_;
    boost::asio::io_context context_;
    std::vector<brood::child> children_;
    int to_start_ = 0;
};

} // namespace bench

#endif
