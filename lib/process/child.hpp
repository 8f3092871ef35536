// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_CHILD_HPP
#define BROOD_LIB_PROCESS_CHILD_HPP

#include "contain/containment.hpp"
#include "process/pid_owners.hpp"
#include "process/waitable.hpp"

#include <brood/detail/handle.hpp>

#include <atomic>
#include <variant>

namespace brood::detail {

class async_launch;

/// The processes that a signal to a child can reach beside the child itself.
struct kill_scope {
    bool leads_group = false;
    bool kills_group = false; ///< At the child's end.
    os::unique_fd cgroup;     ///< The directory of the cgroup that the command names, if any.
};

/// A child. The only code that reaps, and the only code that signals children. Both happen under one lock: a signal
/// never reaches a recycled pid and two waits never compete for one status.
/**
 * The child object and its pending operations share it. If the last of them is destroyed before the child has been
 * reaped, the child is passed to the background reaper.
 */
class child_state final : public waitable, public child_interface {
public:
    /// `containment` is null unless the child will be contained or have a cgroup of its own.
    explicit child_state(asio::any_io_executor executor, std::unique_ptr<containment> containment = nullptr);
    ~child_state() override;

    /// Assigns a child that has just been created.
    void assign(pid_t pid, os::unique_fd pidfd) noexcept;

    /// Assigns a child of another object.
    void adopt(pid_t pid, os::unique_fd pidfd, lost_flag lost, std::unique_ptr<containment> containment) noexcept;

    /// Sets what the process is contained by. Called once, before `assign`.
    void set_containment(std::shared_ptr<guard_link> guard, std::shared_ptr<child_cgroup> cgroup) noexcept;

    /// Whether a process has been assigned. `id` is 0 until the program of a contained child has been executed.
    bool is_assigned() const noexcept { return id_of_process() != 0; }

    /// Adds what belongs to a child whose program runs. May precede `assign`.
    /**
     * `seen_running`: this thread has just waited for its exec.
     */
    void set_started(kill_scope scope, std::unique_ptr<streams_base> streams, bool seen_running) noexcept;

    /// Corrects what `set_started` has set.
    void set_leads_group(bool leads) noexcept;

    /// Whether something is to be done at the child's end before the child is reaped.
    bool ends_rest() const noexcept { return scope_.kills_group || (is_contained() && containment_->cgroup); }

    /// The cgroup in which nothing is left when the child has ended; null if there is none.
    std::shared_ptr<child_cgroup> contained_cgroup() const noexcept;

    /// Sets what ends the rest while nothing waits. It is stopped when the child has ended.
    void set_rest_watch(std::shared_ptr<rest_watch> rest) noexcept;

    /// Another pidfd of the child, if there is one.
    os::unique_fd duplicate_pidfd() const noexcept;

    /// Whether the application can read a stream that other processes may still write to.
    bool is_output_held_open();

    /// Cancels what reads the streams.
    void cancel_reads();

    /// Keeps what the child uses until it has ended, or until the next call.
    void hold_until_exit(std::shared_ptr<void const> memory) noexcept;

    /// The same for the launch of a child whose exec is not reported. If that fails, waits complete with the reason.
    void set_launch(std::shared_ptr<async_launch const> launch) noexcept;

    pid_t id() const noexcept override { return guard() ? guard()->pid() : id_of_process(); }
    int native_handle() const noexcept override { return pidfd_of_process(); }
    result<exit_status> wait() override;
    result<std::optional<exit_status>> try_wait() override { return poll(); }
    result<void> kill() override;
    result<void> signal(int number) override;
    result<void> signal_group(int number) override;
    result<void> signal_once(int number, std::vector<pid_t>& signalled_groups) override;
    result<void> kill_tree() override;
    void abandon_waits(void const* owner, error_code error) override { waitable::abandon_waits(owner, error); }
    std::optional<resource_usage> usage() const override;
    std::optional<brood::tree_usage> tree_usage() const override;
    void detach() noexcept override;
    int release() override;
    void async_wait(wait_handler handler) override { start_wait(std::move(handler)); }
    void async_wait_as(void const* owner, wait_handler handler) override { start_wait(std::move(handler), owner); }
    void async_kill(wait_handler handler) override;
    void async_stop(stop_plan plan, wait_handler handler) override;
    result<std::optional<exit_status>> wait_for(duration time) override;
    void async_wait_for(duration time, wait_handler handler) override;
    void async_wait_drained(duration grace, wait_handler handler) override;
    std::unique_ptr<streams_base>& streams() noexcept override { return streams_; }
    void on_handle_destroyed() noexcept override;

    void on_context_shutdown() noexcept override;

private:
    using held = std::shared_ptr<void const>;
    using launch_ptr = std::shared_ptr<async_launch const>;

    bool poll_end() override;
    bool end_rest();
    bool is_lost() const noexcept;
    bool is_unreaped() const noexcept;
    watch_result create_watch(observer_ptr observer) override;
    os::child_id program() const noexcept { return guard() ? guard()->program() : id_; }
    bool has_program_ended() const noexcept;
    template <class Send>
    result<void> send_unless_ended(Send send);
    result<void> send_to_group(int number);
    result<void> check_signalled(int number);
    result<void> kill_unreaped();
    bool kill_own_cgroup();
    std::unique_ptr<streams_base> take_streams() noexcept;

    // The child is then the guard of the program.
    guard_link* guard() const noexcept { return containment_ ? containment_->guard.get() : nullptr; }
    child_cgroup* cgroup() const noexcept { return containment_ ? containment_->cgroup.get() : nullptr; }
    bool is_contained() const noexcept { return containment_ && containment_->is_contained; }
    bool is_ending() const noexcept { return containment_ && containment_->is_ending; }
    void leave_cgroup() noexcept;

    bool is_own() const noexcept;
    error_code launch_failure() const noexcept;
    held take_held() noexcept;
    std::optional<int> recall_status(error_code const& reap_error) const noexcept;

    pid_t const parent_; // the process that created this object; a forked copy does not touch the child
    // A thread is in waitid(2): the pid must stay the child's, so the child must not be reaped.
    std::atomic<bool> blocking_wait_ = false;
    bool detached_ = false;
    std::atomic<bool> killed_ = false; // SIGKILL has been sent
    kill_scope scope_;
    lost_flag lost_; // null while a pidfd identifies the child
    std::unique_ptr<containment> containment_;
    std::unique_ptr<streams_base> streams_;
    // What the child uses, until its end. Then what it has used, if that is known.
    std::variant<held, launch_ptr, resource_usage> used_;
};

} // namespace brood::detail

#endif
