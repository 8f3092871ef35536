// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The code of the guard process: see contain/guard.hpp.
#include "contain/guard.hpp"

#include "os/guard_calls.hpp"

#include <cerrno>
#include <climits>

namespace brood::detail {
namespace {

namespace raw = os::raw;

constexpr std::size_t capacity = 1 << 15; // more processes are killed in further rounds
pid_t found[capacity];

class guard {
public:
    guard(int link, pid_t parent) noexcept : link_(link), parent_(parent) {}

    /// Returns -errno if the system lacks what the guard needs. Nothing has been started then.
    int prepare() noexcept
    {
        // procfs must list the pids that this process uses, and the parent must use the same ones.
        if (!raw::can_list_children() || raw::parent() == 0)
            return -ENOTSUP;
        if (int const error = raw::become_subreaper(); error < 0)
            return error;
        // Wakes the guard if another process holds a copy of the parent's end of the link.
        return raw::set_death_signal(SIGCHLD, parent_);
    }

    /// Whether the parent has died or wants the program to end.
    bool is_to_end() noexcept { return raw::is_readable(link_) || raw::parent() != parent_; }

    /// As fork(2).
    pid_t start_program() noexcept
    {
        // If the parent ignores SIGCHLD, so does the program. The guard would not learn how the program ends.
        bool const ignored = raw::ignore_child_signal(false);
        program_ = raw::fork(pidfd_);
        if (program_ == 0 && ignored)
            raw::ignore_child_signal(true);
        return program_;
    }

    /// Returns -errno if the parent cannot be notified or the guard cannot wait.
    int announce_program() noexcept
    {
        (void)raw::set_process_group(0); // a signal to the parent's group must not end the guard
        signals_ = raw::open_child_signals();
        if (signals_ < 0)
            return signals_;
        guard_start const message{program_};
        if (pidfd_ < 0)
            return -ENOTSUP;
        long const sent = raw::send_with_fd(link_, &message, sizeof message, pidfd_);
        return sent < 0 ? static_cast<int>(sent) : 0;
    }

    /// The streams of the program would otherwise not end with it. This also reports to the parent that the program is
    /// announced.
    void close_others() noexcept
    {
        int const spared[] = {link_, signals_};
        raw::close_on_exec(0, INT_MAX);
        raw::close_marked(spared, sizeof spared / sizeof spared[0]);
    }

    void wait_for_end() noexcept
    {
        while (!raw::has_ended(program_) && !is_to_end()) {
            reap_orphans();
            raw::wait_for_event(signals_, link_, -1);
        }
    }

    void end_all() noexcept
    {
        for (int pause = first_pause;; pause = pause < longest_pause ? 2 * pause : pause) {
            if (is_alone())
                return;
            stop_all();
            kill_all();
            while (raw::wait_for_event(signals_, -1, pause))
                if (is_alone())
                    return;
        }
    }

    [[noreturn]] void end_as_program() noexcept
    {
        raw::send(link_, &report_, sizeof report_);
        raw::end_with_status(report_.status);
    }

private:
    static constexpr int first_pause = 10, longest_pause = 1000; // in milliseconds: a process may not be killable

    std::size_t signal_descendants(int signal) noexcept
    {
        std::size_t count = 0;
        auto const add = [&](pid_t pid) {
            if (count == capacity)
                return;
            raw::send_signal(pid, signal);
            found[count++] = pid;
        };
        raw::for_each_child(raw::own_pid(), add);
        for (std::size_t i = 0; i < count; ++i)
            raw::for_each_child(found[i], add);
        return count;
    }

    // A process that has been sent SIGSTOP completes no further fork. If a walk finds no more processes than the one
    // before, all have been stopped. Nobody reaps meanwhile, so the pids stay valid.
    void stop_all() noexcept
    {
        constexpr int most_walks = 32; // a process that may not be signalled goes on to fork
        std::size_t known = 0;
        for (int walk = 0; walk < most_walks; ++walk) {
            count_ = signal_descendants(SIGSTOP);
            if (count_ == known)
                return;
            known = count_;
        }
    }

    // The last ones first: the children of a process that has ended are no longer found from it.
    void kill_all() noexcept
    {
        while (count_ > 0)
            raw::send_signal(found[--count_], SIGKILL);
    }

    // The program is reaped last, so that its pid and its group's id stay its own. Returns whether a child is left.
    bool reap_orphans() noexcept
    {
        bool left = false;
        raw::for_each_child(raw::own_pid(), [&](pid_t pid) {
            if (pid != program_ && !raw::reap(pid))
                left = true;
        });
        return left;
    }

    // The end of a process makes its children the guard's before it can be seen, so the order of the checks matters.
    bool is_alone() noexcept
    {
        bool const ended = raw::has_ended(program_);
        if (reap_orphans() || !ended)
            return false;
        if (!reaped_)
            raw::reap(program_, &report_.status, &report_.usage);
        reaped_ = true;
        return !raw::has_children(); // the list may be incomplete while processes end
    }

    int const link_;
    pid_t const parent_;
    pid_t program_ = 0;
    int pidfd_ = -1;
    int signals_ = -1;
    std::size_t count_ = 0;
    bool reaped_ = false;
    guard_report report_{};
};

} // namespace

void contain(child_args& args, int link, pid_t parent) noexcept
{
    guard self(link, parent);
    if (int const error = self.prepare(); error < 0)
        report_and_exit(args.report_fd, {-error, error == -ENOTSUP ? spawn_stage::prepare : spawn_stage::clone});
    if (self.is_to_end())
        raw::kill_self(); // as the program that would have been killed
    args.guard = raw::own_pid();
    pid_t const program = self.start_program();
    if (program == 0)
        return;
    if (program < 0)
        report_and_exit(args.report_fd, {-program, spawn_stage::clone});
    int const error = self.announce_program();
    if (error < 0)
        report(args.report_fd, {-error, spawn_stage::clone});
    self.close_others();
    if (error == 0)
        self.wait_for_end();
    self.end_all();
    self.end_as_program();
}

} // namespace brood::detail
