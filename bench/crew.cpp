// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "crew.hpp"

#include <cstdio>
#include <exception>
#include <stdexcept>

#include <signal.h>

namespace bench {

crew::crew(kind const& how, int slots, std::string program)
    : program_(std::move(program)), running_(static_cast<std::size_t>(slots)), way_(how.make(slots, *this))
{
    free_.reserve(running_.size());
    for (int slot = slots; slot-- > 0;)
        free_.push_back(slot);
}

crew::~crew()
{
    // All at once: one after the other takes a library that looks at all of them for each a minute.
    for (int slot = 0; slot < size(); ++slot)
        if (is_running(slot))
            ::kill(pid(slot), SIGKILL);
    try {
        for (int slot = 0; slot < size(); ++slot)
            while (is_running(slot))
                way_->turn();
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what()); // what is left dies with this process
    }
}

void crew::run(int count)
{
    auto const all = free_.size();
    for (int to_start = count; to_start > 0 || free_.size() < all;) {
        for (; to_start > 0 && !free_.empty(); --to_start) {
            int const slot = free_.back();
            free_.pop_back();
            way_->start(slot, program_);
        }
        way_->turn();
        if (failed_ > 0)
            throw std::runtime_error("a child failed: " + program_);
    }
}

void crew::fill()
{
    while (!free_.empty())
        start(free_.back());
}

void crew::start(int slot)
{
    std::erase(free_, slot);
    way_->start(slot, program_);
    while (!is_running(slot))
        way_->turn();
}

void crew::kill(int slot)
{
    ::kill(pid(slot), SIGKILL);
    while (is_running(slot))
        way_->turn();
}

void crew::started(int slot) noexcept { running_[static_cast<std::size_t>(slot)] = true; }

void crew::ended(int slot, bool success) noexcept
{
    running_[static_cast<std::size_t>(slot)] = false;
    free_.push_back(slot); // has room for all
    failed_ += !success;
}

} // namespace bench
