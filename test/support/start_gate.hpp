// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_START_GATE_HPP
#define BROOD_TEST_SUPPORT_START_GATE_HPP

#include "os/descriptors.hpp"
#include "support/support.hpp"

#include <cerrno>

#include <unistd.h>

namespace test {

/// While it is closed, children wait before they execute their programs. The thread that starts them must not wait for
/// that: see `needs_threads`.
class start_gate {
public:
    brood::command hold(brood::command cmd) const
    {
        int const fd = ends_.first.get();
        return cmd.backend(brood::spawn_backend::fork).fd(fd, brood::stdio::fd(fd)).pre_exec([fd] {
            char opened;
            return ::read(fd, &opened, 1) == 1 ? brood::error_code()
                                               : brood::error_code(EPIPE, boost::system::system_category());
        });
    }

    /// Releases up to eight children.
    void open() { REQUIRE(::write(ends_.second.get(), "!!!!!!!!", 8) == 8); }

private:
    brood::os::fd_pair ends_ = brood::os::make_pipe().value();
};

} // namespace test

#endif
