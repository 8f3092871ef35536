// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_CREW_HPP
#define BROOD_BENCH_CREW_HPP

#include "way.hpp"

namespace bench {

/// Keeps children going on one way's loop, as many at a time as it has slots.
class crew final : audience {
public:
    crew(kind const& how, int slots, std::string program);

    /// None is left behind.
    ~crew();

    int size() const noexcept { return static_cast<int>(running_.size()); }
    pid_t pid(int slot) const { return way_->pid(slot); }

    /// Starts `count` children in all and awaits each. All must exit with success.
    void run(int count);

    /// Fills all slots, and waits until each child's program runs.
    void fill();

    /// Starts a child in a free slot, and waits until its program runs.
    void start(int slot);

    /// Kills a child, and waits until the program has been told of its end.
    void kill(int slot);

private:
    bool is_running(int slot) const { return running_[static_cast<std::size_t>(slot)]; }
    void started(int slot) noexcept override;
    void ended(int slot, bool success) noexcept override;

    std::string program_;
    std::vector<bool> running_;
    std::vector<int> free_;
    int failed_ = 0;
    std::unique_ptr<way> way_; // last: it may tell while it is made
};

} // namespace bench

#endif
