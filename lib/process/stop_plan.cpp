// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/stop.hpp>

#include <utility>

namespace brood {

stop_plan::stop_plan() : stop_plan(SIGTERM, std::chrono::seconds(5)) {}
stop_plan::stop_plan(int signal, duration grace) : steps_{{signal, grace}} {}
stop_plan::stop_plan(std::vector<stop_step> steps) : steps_(std::move(steps)) {}

stop_plan& stop_plan::then(int signal, duration grace) &
{
    steps_.push_back({signal, grace});
    return *this;
}

stop_plan&& stop_plan::then(int signal, duration grace) && { return std::move(then(signal, grace)); }

bool operator==(stop_plan const&, stop_plan const&) = default;

} // namespace brood
