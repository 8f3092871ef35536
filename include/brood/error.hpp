// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_ERROR_HPP
#define BROOD_ERROR_HPP

#include <brood/detail/export.hpp>

#include <boost/system/error_code.hpp>

#include <iosfwd>
#include <optional>
#include <string_view>
#include <type_traits>

namespace brood {

/// The type of every error.
using error_code = boost::system::error_code;

/// The errors of the library itself.
enum class errc {
    nul_byte = 1,            ///< A string for the child contains a NUL byte. Equals `std::errc::invalid_argument`.
    empty_program,           ///< The program name is empty. Equals `std::errc::invalid_argument`.
    invalid_environment_key, ///< A key is empty or contains `=`. Equals `std::errc::invalid_argument`.
    status_lost,             ///< The process has ended, but its status is not available: other code may have reaped it.
    output_limit_exceeded,   ///< The child wrote more than `output_options::limit` allows.
    output_incomplete,       ///< A descendant still held a captured stream when `drain_grace` expired.
    timed_out,               ///< The operation's timeout expired. Equals `std::errc::timed_out`.

    /// A stream is `piped()`, or `terminal` is set, but the operation returns no object that owns the parent's end.
    /// Equals `std::errc::invalid_argument`.
    unexpected_pipe,

    /// A setting has no form in a shell line or behind a launcher. Equals `std::errc::not_supported`.
    inexpressible,
};

/// The step of a spawn that failed.
/**
 * The error of a failed spawn has the errno as its value and the stage as its category. Its message reads
 * `change directory: No such file or directory`.
 */
enum class spawn_stage {
    prepare,     ///< Validating the command, choosing a backend, allocating memory.
    pipe,        ///< Creating a pipe or a channel.
    clone,       ///< Creating the process.
    signals,     ///< Signal dispositions or the signal mask.
    stdio,       ///< Opening, duplicating or closing descriptors.
    session,     ///< setsid(2) or setpgid(2).
    terminal,    ///< The pseudo-terminal or the controlling terminal.
    credentials, ///< setgroups(2), setgid(2), setuid(2), capabilities or no_new_privs.
    limits,      ///< Resource limits, umask, nice value, affinity or parent-death signal.
    cgroup,      ///< Entering a cgroup.
    namespaces,  ///< Creating namespaces or mapping ids.
    root,        ///< chroot(2).
    directory,   ///< chdir(2).
    hook,        ///< `command::pre_exec`.
    seccomp,     ///< Installing a seccomp filter.
    exec,        ///< execve(2).
};

/// The category of `errc`.
BROOD_API boost::system::error_category const& brood_category() noexcept;

/// The category of the errors of one stage. Their value is the errno; they equal the generic conditions.
BROOD_API boost::system::error_category const& spawn_category(spawn_stage stage) noexcept;

/// The stage that failed, if `ec` is the error of a spawn.
BROOD_API std::optional<spawn_stage> stage_of(error_code const& ec) noexcept;

/// The name of a stage as it appears in messages, for example "change directory".
BROOD_API std::string_view to_string(spawn_stage stage) noexcept;

/// Prints the name of the value.
BROOD_API std::ostream& operator<<(std::ostream& out, spawn_stage stage);

/// An errno of the given stage.
inline error_code make_error_code(spawn_stage stage, int errno_value) noexcept
{
    return {errno_value, spawn_category(stage)};
}

/// Makes `errc` convertible to `error_code`.
inline error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), brood_category()}; }

} // namespace brood

template <>
struct boost::system::is_error_code_enum<brood::errc> : std::true_type {};

#endif
