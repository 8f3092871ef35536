// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_STATUS_FROM_SIGINFO_HPP
#define BROOD_LIB_STATUS_FROM_SIGINFO_HPP

#include <brood/exit_status.hpp>

namespace brood::status {

/// The wait status that waitpid(2) would have given for what waitid(2) says; an unknown code gives no status.
exit_status from_siginfo(int code, int value) noexcept;

} // namespace brood::status

#endif
