// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/saved_process.hpp"

#include "os/signals.hpp"

#include <cstdlib>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace brood::os {
namespace {

std::vector<int> inheritable_descriptors()
{
    std::vector<int> descriptors;
    DIR* const listing = ::opendir("/dev/fd");
    if (!listing)
        return descriptors;
    while (dirent const* entry = ::readdir(listing)) {
        int const fd = std::atoi(entry->d_name);
        int const flags = ::fcntl(fd, F_GETFD);
        if (fd > 2 && flags >= 0 && (flags & FD_CLOEXEC) == 0)
            descriptors.push_back(fd);
    }
    ::closedir(listing);
    return descriptors;
}

} // namespace

saved_process::saved_process()
    : mask_(blocked_signals()),
      umask_(::umask(0)),
      directory_(::open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
      inheritable_(inheritable_descriptors())
{
    ::umask(umask_);
    for (int signal = 1; is_signal(signal); ++signal)
        ::sigaction(signal, nullptr, &actions_[static_cast<std::size_t>(signal)]);
}

void saved_process::restore() noexcept
{
    for (int const fd : inheritable_)
        ::fcntl(fd, F_SETFD, 0);
    if (directory_ && ::fchdir(directory_.get()) < 0)
        directory_.reset(); // nothing more can be done
    ::umask(umask_);
    for (int signal = 1; is_signal(signal); ++signal)
        ::sigaction(signal, &actions_[static_cast<std::size_t>(signal)], nullptr);
    raw::set_mask(mask_);
    restore_capabilities(capabilities_);
}

} // namespace brood::os
