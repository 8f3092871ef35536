// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_PIPE_END_HPP
#define BROOD_LIB_SPAWN_PIPE_END_HPP

#include "os/unique_fd.hpp"

#include <brood/result.hpp>

#include <mutex>

namespace brood::detail {

/// The descriptor of `stdio::from`, which the copies of a command share.
class pipe_end {
public:
    explicit pipe_end(os::unique_fd fd) noexcept : fd_(std::move(fd)) {}

    /// A duplicate for a spawn, above `floor`.
    result<os::unique_fd> duplicate(int floor) const;

    /// A spawn has succeeded.
    void close() noexcept;

private:
    mutable std::mutex mutex_;
    os::unique_fd fd_;
};

} // namespace brood::detail

#endif
