// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_ERROR_HPP
#define BROOD_ERROR_HPP

#include <brood/export.hpp>

#include <boost/system/error_code.hpp>

#include <optional>
#include <string_view>
#include <type_traits>

namespace brood {

using error_code = boost::system::error_code;

/// What the library itself reports, beside the system's errors.
enum class errc {
    nul_byte = 1,            ///< A string for the child holds a NUL byte. Equals `std::errc::invalid_argument`.
    empty_program,           ///< The program's name is empty. Equals `std::errc::invalid_argument`.
    invalid_environment_key, ///< A key is empty or holds `=`. Equals `std::errc::invalid_argument`.
    status_lost,             ///< The child has ended, but another part of the process took its exit status.
    output_limit_exceeded,   ///< The child wrote more than `output_options::limit`.
    output_incomplete,       ///< A descendant still held a pipe open when `drain_grace` was over.
    timed_out,               ///< `output_options::timeout` was over. Equals `std::errc::timed_out`.
};

/// The step of a spawn that failed.
/**
 * A spawn's error keeps the system's errno as its value and the stage in its category: the message reads
 * `change directory: No such file or directory`.
 */
enum class spawn_stage {
    prepare,     ///< Checking the command, before any system call.
    pipe,        ///< Making a pipe or a channel.
    clone,       ///< Making the new process.
    signals,     ///< Signal dispositions or the signal mask.
    stdio,       ///< Opening, moving or closing descriptors.
    session,     ///< setsid(2) or setpgid(2).
    terminal,    ///< The pseudo-terminal.
    credentials, ///< setgroups(2), setgid(2), setuid(2), or giving privileges up.
    limits,      ///< Resource limits, umask, nice value, affinity, parent-death signal.
    cgroup,      ///< Birth in a cgroup.
    directory,   ///< chdir(2).
    hook,        ///< `command::pre_exec`.
    exec,        ///< execve(2).
};

/// The category of `errc`.
BROOD_API boost::system::error_category const& brood_category() noexcept;

/// The category of the errors of one stage; their value is the errno, and they equal the generic conditions.
BROOD_API boost::system::error_category const& spawn_category(spawn_stage stage) noexcept;

/// The stage that failed, if `ec` comes from a spawn.
BROOD_API std::optional<spawn_stage> stage_of(error_code const& ec) noexcept;

/// A stage in words, as it stands in messages: "change directory".
BROOD_API std::string_view to_string(spawn_stage stage) noexcept;

/// An errno of the given stage.
inline error_code make_error_code(spawn_stage stage, int errno_value) noexcept
{
    return {errno_value, spawn_category(stage)};
}

inline error_code make_error_code(errc e) noexcept { return {static_cast<int>(e), brood_category()}; }

} // namespace brood

template <>
struct boost::system::is_error_code_enum<brood::errc> : std::true_type {};

#endif
