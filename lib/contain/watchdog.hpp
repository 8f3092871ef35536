// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CONTAIN_WATCHDOG_HPP
#define BROOD_LIB_CONTAIN_WATCHDOG_HPP

#include <brood/error.hpp>

#include <sys/types.h>

/// The process that ends what is left in a cgroup when its owner dies.
/**
 * The watchdog is the relay (spawn/relay.hpp) in another role. It is no child of the owner, so that it appears in no
 * wait of the application, and it is in no process group or session of the owner. It has no C library and no memory but
 * its own.
 */
namespace brood::detail {

/// What the relay needs to know to be a watchdog.
struct watchdog_task {
    int link = -1;  ///< Ends when the owner has closed the other end of this pipe.
    int above = -1; ///< The directory in which the cgroup is to be created.
    bool is_created = false;
    char name[64] = {}; ///< Of the cgroup.
};

/// Creates the cgroup, so that it is removed if the owner dies at any moment. The owner's child ends when the watchdog
/// exists: the function returns 0 in it, or -errno.
int watch_cgroup(watchdog_task const& task, pid_t owner, char** arguments, char** environment) noexcept;

} // namespace brood::detail

#endif
