// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_SIGINFO_STATUS_HPP
#define BROOD_LIB_PROCESS_SIGINFO_STATUS_HPP

#include <brood/exit_status.hpp>

namespace brood::detail {

/// Converts `si_code` and `si_status` of waitid(2) to the wait status of waitpid(2). An unknown code returns a default
/// `exit_status`.
exit_status from_siginfo(int code, int value) noexcept;

} // namespace brood::detail

#endif
