// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_TERMINAL_HPP
#define BROOD_LIB_OS_TERMINAL_HPP

#include "os/descriptors.hpp"

#include <brood/terminal_size.hpp>

#include <memory>

#include <sys/types.h>
#include <termios.h>

namespace brood::os {

/// Opens a pseudo-terminal. `first` is the parent's end, which is non-blocking; `second` is the child's end.
result<fd_pair> open_terminal(terminal_size size) noexcept;

/// Opens the child's end that belongs to a parent's end: with one call if the platform supports it, else by its name.
result<unique_fd> open_child_end(int parent_end) noexcept;
result<unique_fd> open_child_end_by_name(int parent_end) noexcept;

bool is_terminal(int fd) noexcept;

error_code set_terminal_size(int fd, terminal_size size) noexcept;

/// The foreground of this process's controlling terminal. A child may take it over until it ends.
class foreground {
public:
    /// ENXIO: there is no controlling terminal. EPERM: this process is not in the foreground.
    static result<std::shared_ptr<foreground>> open();

    explicit foreground(unique_fd terminal) noexcept;
    foreground(foreground const&) = delete;
    foreground& operator=(foreground const&) = delete;

    /// Makes this process's group the foreground again and restores the terminal's modes, if `lend` has been called.
    ~foreground();

    int terminal() const noexcept { return terminal_.get(); }

    /// Remembers what the destructor restores.
    void lend() noexcept;

private:
    unique_fd terminal_;
    pid_t owner_ = 0; // the process that has called `lend`
    bool has_modes_ = false;
    termios modes_{};
};

} // namespace brood::os

#endif
