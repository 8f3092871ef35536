// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXIT_STATUS_HPP
#define BROOD_EXIT_STATUS_HPP

#include <brood/detail/export.hpp>
#include <brood/result.hpp>

#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace brood {

/// How a child ended: the wait status of waitpid(2). A regular value type.
class exit_status {
public:
    /// Holds no status: `success()` is false and every other accessor returns nothing.
    constexpr exit_status() noexcept = default;

    /// Wraps a status word of waitpid(2). Every word is accepted.
    static constexpr exit_status from_raw(int status) noexcept { return exit_status(status); }

    /// The status word of waitpid(2).
    constexpr int raw() const noexcept { return raw_; }

    /// Whether the child exited with code 0.
    constexpr bool success() const noexcept { return raw_ == 0; }

    /// The exit code, 0 to 255, if the child called exit(3) or returned from main.
    BROOD_API std::optional<int> code() const noexcept;

    /// The signal that terminated the child.
    BROOD_API std::optional<int> signal() const noexcept;

    /// Whether a signal terminated the child and a core was dumped.
    BROOD_API bool core_dumped() const noexcept;

    /// The signal that stopped the child. Operations of this library never complete with such a status.
    BROOD_API std::optional<int> stopped_signal() const noexcept;

    /// Whether SIGCONT continued the child. Operations of this library never complete with such a status.
    BROOD_API bool continued() const noexcept;

    /// The code that a shell reports as `$?`: the exit code, or 128 plus the signal. 255 without a status.
    BROOD_API int shell_code() const noexcept;

    /// Converts every status but success into an error.
    /**
     * The error's value is `raw()`, its category is `exit_category()` and its message is that of `to_string`.
     */
    BROOD_API result<void> check() const;

    /// Compares all members.
    friend constexpr bool operator==(exit_status, exit_status) noexcept = default;

    /// Prints `exit status: 1`, `signal: 9 (SIGKILL)`, `signal: 6 (SIGABRT) (core dumped)`, ...
    BROOD_API friend std::ostream& operator<<(std::ostream& out, exit_status status);

private:
    explicit constexpr exit_status(int raw) noexcept : raw_(raw) {}

    int raw_ = -1; // no system uses this word
};

/// The text that `operator<<` prints.
BROOD_API std::string to_string(exit_status status);

/// The status of a pipeline as with a shell's `pipefail`: the last one that is not success, else success.
BROOD_API exit_status pipefail(std::span<exit_status const> statuses) noexcept;

/// The category of the errors of `exit_status::check()`.
BROOD_API boost::system::error_category const& exit_category() noexcept;

/// The name of a signal, such as "SIGKILL"; empty if the platform has no such signal. See signal(7).
BROOD_API std::string_view signal_name(int signal) noexcept;

} // namespace brood

#endif
