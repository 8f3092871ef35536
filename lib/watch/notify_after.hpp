// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_WATCH_NOTIFY_AFTER_HPP
#define BROOD_LIB_WATCH_NOTIFY_AFTER_HPP

#include "watch/inline_executor.hpp"
#include "watch/watch.hpp"

#include <chrono>
#include <memory>
#include <utility>

namespace brood::detail {

/// Notifies an observer when the time has expired, unless the timer is destroyed before.
inline std::unique_ptr<inline_timer>
notify_after(inline_executor executor, std::chrono::milliseconds time, observer_ptr observer)
{
    auto timer = std::make_unique<inline_timer>(executor, time);
    timer->async_wait([observer = std::move(observer)](error_code error) {
        if (!error.failed())
            observer->on_ready(completion_mode::dispatch);
    });
    return timer;
}

} // namespace brood::detail

#endif
