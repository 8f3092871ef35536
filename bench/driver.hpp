// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_DRIVER_HPP
#define BROOD_BENCH_DRIVER_HPP

#include "spawner.hpp"

namespace bench {

/// Runs children of one program with one spawner, at most one child per slot.
class driver final : listener {
public:
    driver(spawner_kind const& kind, int slots, std::string program);

    /// Kills and reaps the children that still run.
    ~driver();

    int slots() const noexcept { return static_cast<int>(running_.size()); }
    pid_t pid(int slot) const { return spawner_->pid(slot); }

    /// Starts `count` children and waits for each. Throws if a child fails.
    void run(int count);

    /// Starts a child in every free slot, and waits until their programs run.
    void fill();

    /// Starts a child in a free slot, and waits until its program runs.
    void start(int slot);

    /// Kills a child, and waits until the spawner reports its exit.
    void kill(int slot);

private:
    bool is_running(int slot) const { return running_[static_cast<std::size_t>(slot)]; }
    void on_started(int slot) noexcept override;
    void on_exited(int slot, bool success) noexcept override;

    std::string program_;
    std::vector<bool> running_;
    std::vector<int> free_slots_;
    int failures_ = 0;
    std::unique_ptr<spawner> spawner_; // last: its functions use the members above
};

} // namespace bench

#endif
