// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "driver.hpp"

#include <cstdio>
#include <exception>
#include <stdexcept>

#include <signal.h>

namespace bench {

driver::driver(spawner_kind const& kind, int slots, std::string program)
    : program_(std::move(program)), running_(static_cast<std::size_t>(slots)), spawner_(kind.create(slots, *this))
{
    free_slots_.reserve(running_.size());
    for (int slot = slots; slot-- > 0;)
        free_slots_.push_back(slot);
}

driver::~driver()
{
    // All kills come first: some libraries scan all their children for each exit.
    for (int slot = 0; slot < slots(); ++slot)
        if (is_running(slot))
            ::kill(pid(slot), SIGKILL);
    try {
        for (int slot = 0; slot < slots(); ++slot)
            while (is_running(slot))
                spawner_->run_once();
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what()); // the remaining children end with this process
    }
}

void driver::run(int count)
{
    auto const all_slots = free_slots_.size();
    for (int to_start = count; to_start > 0 || free_slots_.size() < all_slots;) {
        for (; to_start > 0 && !free_slots_.empty(); --to_start) {
            int const slot = free_slots_.back();
            free_slots_.pop_back();
            spawner_->start(slot, program_);
        }
        spawner_->run_once();
        if (failures_ > 0)
            throw std::runtime_error("child failed: " + program_);
    }
}

void driver::fill()
{
    while (!free_slots_.empty())
        start(free_slots_.back());
}

void driver::start(int slot)
{
    std::erase(free_slots_, slot);
    spawner_->start(slot, program_);
    while (!is_running(slot))
        spawner_->run_once();
}

void driver::kill(int slot)
{
    ::kill(pid(slot), SIGKILL);
    while (is_running(slot))
        spawner_->run_once();
}

void driver::on_started(int slot) noexcept { running_[static_cast<std::size_t>(slot)] = true; }

void driver::on_exited(int slot, bool success) noexcept
{
    running_[static_cast<std::size_t>(slot)] = false;
    free_slots_.push_back(slot); // the constructor has reserved the memory
    failures_ += !success;
}

} // namespace bench
