// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_OPERATIONS_HPP
#define BROOD_LIB_CHILD_OPERATIONS_HPP

#include <brood/error.hpp>
#include <brood/stop.hpp>

namespace brood::detail {

/// `invalid_argument` for a plan with a number that is no signal.
error_code check(stop_plan const& plan) noexcept;

} // namespace brood::detail

#endif
