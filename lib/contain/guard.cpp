// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The code of the guard process: see contain/guard.hpp.
#include "contain/guard.hpp"

#include "os/guard_calls.hpp"

#include <cerrno>

namespace brood::detail {
namespace {

namespace raw = os::raw;

/// A set of processes. Most sets are compared with one that has nearly the same order.
class pid_set {
public:
    void clear() noexcept { size_ = 0; }
    std::size_t size() const noexcept { return size_; }
    pid_t operator[](std::size_t at) const noexcept { return pids_[at]; }

    /// Further ones are dropped: they are killed in a further round.
    bool add(pid_t pid) noexcept
    {
        if (size_ == capacity)
            return false;
        pids_[size_++] = pid;
        return true;
    }

    bool contains_all(pid_set const& others) const noexcept
    {
        std::size_t at = 0;
        for (std::size_t i = 0; i < others.size_; ++i) {
            std::size_t tried = 0;
            for (; tried < size_ && pids_[at] != others[i]; ++tried)
                at = at + 1 < size_ ? at + 1 : 0;
            if (tried == size_)
                return false;
        }
        return true;
    }

private:
    static constexpr std::size_t capacity = 1 << 15;

    pid_t pids_[capacity];
    std::size_t size_;
};

// Static, because the guard has no heap and a small stack.
pid_set found, found_before;

class guard {
public:
    guard(int link, pid_t parent) noexcept : link_(link), parent_(parent) {}

    /// Returns -errno if the system lacks what the guard needs. Nothing has been started then.
    int prepare() noexcept
    {
        // procfs must list the pids that this process uses, and the parent must use the same ones.
        if (int const error = lists_.open(); error < 0)
            return error;
        if (raw::parent() == 0)
            return -ENOTSUP;
        if (int const error = raw::become_subreaper(); error < 0)
            return error;
        // Wakes the guard if another process holds a copy of the parent's end of the link, or if it has been stopped.
        return raw::set_death_signal(SIGCONT, parent_);
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
    int announce_program(bool leaves_group) noexcept
    {
        // A signal to the parent's group must not end the guard. If the program stays in that group, the guard needs
        // another session: its end would make the kernel send SIGHUP to the group if the program has been stopped.
        // Otherwise it needs the same one: SIGTSTP stops nobody in a group without a parent in its session.
        (void)(leaves_group ? raw::set_process_group(0) : raw::set_session());
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
        int const spared[] = {link_, signals_, pidfd_, lists_.folder(), lists_.own()};
        (void)raw::close_all_but(spared, sizeof spared / sizeof spared[0]);
    }

    // A program that a descendant traces cannot be reaped before the end of the tracer, but its pidfd reports its end.
    void wait_for_end() noexcept
    {
        while (!raw::has_ended(program_) && !raw::is_readable(pidfd_) && !is_to_end()) {
            reap_orphans();
            raw::wait_for_event(signals_, link_, pidfd_, -1);
        }
    }

    void end_all() noexcept
    {
        for (long pause = first_pause; !is_alone();) {
            bool const is_new = stop_all();
            kill_all();
            pause = is_new ? first_pause : pause < longest_pause ? 2 * pause : longest_pause;
            long const until = raw::now() + pause;
            for (long left = pause; left > 0 && !is_alone(); left = until - raw::now())
                raw::wait_for_event(signals_, -1, -1, static_cast<int>(left));
        }
    }

    [[noreturn]] void end_as_program() noexcept
    {
        raw::send(link_, &report_, sizeof report_);
        raw::end_with_status(report_.status);
    }

private:
    static constexpr long first_pause = 10, longest_pause = 1000; // in milliseconds: a process may not be killable

    // Signals the descendants and collects them in `found`.
    void signal_descendants(int signal) noexcept
    {
        found.clear();
        auto const add = [&](pid_t pid) {
            if (found.add(pid))
                raw::send_signal(pid, signal);
        };
        lists_.for_each_own(add);
        for (std::size_t i = 0; i < found.size(); ++i)
            lists_.for_each(found[i], add);
    }

    // A process that has been sent SIGSTOP completes no further fork. If a walk finds no other processes than the one
    // before, all have been stopped. Returns whether there are others than in the last round.
    bool stop_all() noexcept
    {
        constexpr int most_walks = 32; // a process that may not be signalled goes on to fork
        bool is_new = false;
        for (int walk = 0; walk < most_walks; ++walk) {
            signal_descendants(SIGSTOP);
            bool const is_known = found_before.contains_all(found);
            is_new = is_new || !is_known;
            remember_found();
            if (is_known)
                return is_new;
        }
        return is_new;
    }

    static void remember_found() noexcept
    {
        found_before.clear();
        for (std::size_t i = 0; i < found.size(); ++i)
            (void)found_before.add(found[i]);
    }

    // The last ones first: the children of a process that has ended are no longer found from it. The program always: the
    // list may be incomplete.
    void kill_all() noexcept
    {
        for (std::size_t i = found.size(); i > 0; --i)
            raw::send_signal(found[i - 1], SIGKILL);
        if (!reaped_)
            raw::send_signal(program_, SIGKILL);
    }

    // The program is reaped last, so that its pid and its group's id stay its own. Returns whether a child is left. A
    // reap changes the list, so it is read before.
    bool reap_orphans() noexcept
    {
        bool left = false;
        found.clear();
        lists_.for_each_own([&](pid_t pid) { left = !found.add(pid) || left; });
        for (std::size_t i = 0; i < found.size(); ++i)
            if ((reaped_ || found[i] != program_) && !raw::reap(found[i]))
                left = true;
        return left;
    }

    // The end of a process makes its children the guard's before it can be seen, so the order of the checks matters.
    bool is_alone() noexcept
    {
        bool const ended = reaped_ || raw::has_ended(program_);
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
    raw::child_lists lists_;
    bool reaped_ = false;
    guard_report report_{SIGKILL, {}}; // if the program cannot be reaped
};

bool leaves_group(child_args const& args) noexcept
{
    for (std::size_t i = 0; i < args.count; ++i)
        if (args.steps[i].what == action::set_group || args.steps[i].what == action::set_session)
            return true;
    return false;
}

} // namespace

void contain(child_args& args, int link, pid_t parent, char** arguments, char** environment) noexcept
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
    int const error = self.announce_program(leaves_group(args));
    if (error < 0)
        report(args.report_fd, {-error, spawn_stage::clone});
    raw::conceal(arguments, environment); // `close_others` lets the parent go on
    self.close_others();
    if (error == 0)
        self.wait_for_end();
    self.end_all();
    self.end_as_program();
}

} // namespace brood::detail
