// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "brood_loop.hpp"

#include <stdexcept>

namespace bench {

brood_loop::brood_loop(brood::command cmd, int in_flight) : command_(std::move(cmd))
{
    for (int i = 0; i < in_flight; ++i)
        children_.emplace_back(context_.get_executor());
}

void brood_loop::run(int count)
{
    to_start_ = count;
    context_.restart();
    for (auto& child : children_)
        if (to_start_ > 0)
            start_one(child);
    context_.run();
}

void brood_loop::start_one(brood::child& child)
{
    --to_start_;
    child = brood::spawn(context_, command_).value();
    child.async_wait([this, &child](brood::error_code ec, brood::exit_status status) {
        if (ec.failed() || !status.success())
            throw std::runtime_error(command_.program() + ": " + (ec.failed() ? ec.message() : to_string(status)));
        if (to_start_ > 0)
            start_one(child);
    });
}

} // namespace bench
