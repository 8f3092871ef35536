// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXIT_STATUS_HPP
#define BROOD_EXIT_STATUS_HPP

#include <brood/export.hpp>
#include <brood/result.hpp>

#include <iosfwd>
#include <optional>
#include <string>

namespace brood {

/// How a child ended: a wait status, as in waitpid(2). A regular value.
class exit_status {
public:
    /// No status at all: `success()` is false, and so is every other question.
    constexpr exit_status() noexcept = default;

    /// Wraps a status word of waitpid(2), whatever it says.
    static constexpr exit_status from_raw(int status) noexcept { return exit_status(status); }

    /// The status word of waitpid(2).
    constexpr int raw() const noexcept { return raw_; }

    /// Whether the child exited with code 0.
    constexpr bool success() const noexcept { return raw_ == 0; }

    /// The exit code, 0 to 255, of a child that called exit(3) or returned from main.
    BROOD_API std::optional<int> code() const noexcept;

    /// The signal that ended the child.
    BROOD_API std::optional<int> signal() const noexcept;

    /// Whether a signal ended the child and a core was dumped.
    BROOD_API bool core_dumped() const noexcept;

    /// The signal that stopped the child. Waits of this library report ends alone; other sources may not.
    BROOD_API std::optional<int> stopped_signal() const noexcept;

    /// Whether the child was continued by SIGCONT. Waits of this library report ends alone.
    BROOD_API bool continued() const noexcept;

    /// Turns anything but success into an error.
    /**
     * Its value is `raw()`, its category `exit_category()`, its message that of `to_string`.
     */
    BROOD_API result<void> check() const;

    friend constexpr bool operator==(exit_status, exit_status) noexcept = default;

    /// Prints `exit status: 1`, `signal: 9 (SIGKILL)`, `signal: 6 (SIGABRT) (core dumped)`, ...
    BROOD_API friend std::ostream& operator<<(std::ostream& out, exit_status status);

private:
    explicit constexpr exit_status(int raw) noexcept : raw_(raw) {}

    int raw_ = -1; // no system gives this word: neither exited, signalled, stopped nor continued
};

/// The same text that `operator<<` prints.
BROOD_API std::string to_string(exit_status status);

/// The category of `exit_status::check()`.
BROOD_API boost::system::error_category const& exit_category() noexcept;

} // namespace brood

#endif
