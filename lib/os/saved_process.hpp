// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_SAVED_PROCESS_HPP
#define BROOD_LIB_OS_SAVED_PROCESS_HPP

#include "os/credentials.hpp"
#include "os/raw.hpp"
#include "os/unique_fd.hpp"

#include <array>
#include <vector>

#include <signal.h>

namespace brood::os {

/// Attributes of this process that can be restored if its exec fails.
/**
 * The signal mask and dispositions, the working directory, the umask, the descriptors without FD_CLOEXEC, and the
 * inheritable and ambient capabilities.
 */
class saved_process {
public:
    saved_process();

    void restore() noexcept;

private:
    raw::signal_bits mask_;
    std::array<struct sigaction, 65> actions_{}; // by signal
    mode_t umask_;
    unique_fd directory_; // empty if it cannot be opened
    std::vector<int> inheritable_;
    saved_capabilities capabilities_ = save_capabilities();
};

} // namespace brood::os

#endif
