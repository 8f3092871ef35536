// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_RELAY_HPP
#define BROOD_LIB_SPAWN_RELAY_HPP

#include "spawn/backend.hpp"
#include "spawn/relay_files.hpp"
#include "spawn/relay_parcel.hpp"
#include "spawn/report_channel.hpp"

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

/// Changes credentials, and starts contained programs, at constant cost.
/**
 * A child that shares its parent's memory must not change its credentials, and the cost of a fork grows with the
 * parent's memory. The child therefore carries out the steps before the change in shared memory. Then it executes the
 * relay, a small static program in a memory file, which carries out the remaining steps. They are stored in the same
 * file, behind the program (spawn/relay_files.hpp).
 *
 * The relay of a contained program stays as its guard (contain/guard.hpp). It carries out all steps, in the program's
 * process.
 */
namespace brood::detail {

/// Creates the files of a watchdog (contain/watchdog.hpp).
result<relay_files> make_watchdog_files(watchdog_task const& task);

/// The error number, in stage clone, if the system has refused to execute a relay and the next launch uses another one.
constexpr int relay_is_replaced = ESTALE;

/// Whether a plan has steps for the relay, if it is not forked.
bool needs_relay(plan const& p) noexcept;

/// Whether such a plan can be launched by the relay.
/**
 * Not if this platform has none, or the system has refused it before. `/proc/self/exe` and `/dev/fd/3` would refer to
 * the relay. A guard needs pidfds.
 */
bool can_relay(plan const& p);

/// What a child executes instead of its program, and what it reports.
class relay_launch {
public:
    relay_launch() = default;
    relay_launch(relay_launch const&) = delete;
    relay_launch& operator=(relay_launch const&) = delete;

    /// Creates the files. The child keeps `exec_pipe` until the last exec.
    /// `guard` is the link of a contained program's guard, else null.
    error_code prepare(plan const& p, int exec_pipe = -1, guard_link const* guard = nullptr);

    /// The steps of the child up to the exec of the relay, after `prepare`.
    std::vector<step> const& steps() const noexcept { return steps_; }

    /// The descriptors that the child keeps until the last exec.
    std::array<int, 4> kept() const noexcept
    {
        return {channel_->child_end(), files_->parcel(), files_->program(), exec_pipe_};
    }

    /// Called after the child has been created.
    void close_child_end() noexcept { channel_->close_child_end(); }

    /// Waits until the child has carried out the remaining steps. Returns why it has failed, given what failed before.
    error_code outcome(error_code const& failure) const noexcept;

private:
    void set_arguments(char* const* argv);
    std::vector<step> pass_sources(plan const& p);
    error_code refusal() const noexcept;

    std::optional<report_channel> channel_;
    std::optional<relay_files> files_;
    int exec_pipe_ = -1;
    int link_ = -1;
    char parcel_number_[16], report_number_[16];
    std::vector<char*> arguments_; // the numbers of the parcel and of the report channel, then the program's
    exec_target relay_{};
    std::vector<step> steps_;
};

} // namespace brood::detail

#endif
