// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_RELAY_FILES_HPP
#define BROOD_LIB_SPAWN_RELAY_FILES_HPP

#include "os/fork.hpp"
#include "os/unique_fd.hpp"

#include <brood/error.hpp>
#include <brood/result.hpp>

#include <atomic>
#include <span>

namespace brood::detail {

struct plan;

/// The files with which a child executes the relay: the program, and the parcel that it carries out.
/**
 * Both are one file in memory. If the system does not execute those, the program is a file that has been installed with
 * the library.
 */
class relay_files {
public:
    /// Whether the system is known to execute the relay, or it is not known yet.
    static bool available() noexcept;

    /// Fails with ENOSYS in stage clone if the system executes no such files.
    static result<relay_files> create(std::span<char const> parcel);

    /// The file to execute.
    int program() const noexcept { return installed_ ? installed_.get() : parcel_.get(); }

    /// The file whose number is the relay's first argument.
    int parcel() const noexcept { return parcel_.get(); }

    /// Moves the files above all descriptors that a plan sets up.
    error_code move_above_targets(plan const& p);

    /// Whether the child was not allowed to execute `program`.
    static bool is_refused(error_code const& error) noexcept;

    /// Called after the system has refused to execute `program`. Returns whether that of other files may be executed.
    bool replace() const noexcept;

private:
    enum class source { memory, installed, none };

    explicit relay_files(source from) noexcept : source_(from) {}

    static source current() noexcept;
    static result<void> leave_memory();
    static result<relay_files> create_from(source from, std::span<char const> parcel);

    static inline constinit std::atomic<source> next_source_ = source::memory; // of the next launch

    source source_;
    os::private_fd parcel_, installed_;
};

} // namespace brood::detail

#endif
