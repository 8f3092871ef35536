// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/fd_setup.hpp"

#include "os/descriptors.hpp"
#include "os/files.hpp"
#include "os/image.hpp"
#include "os/terminal.hpp"
#include "spawn/fd_map.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

#include <fcntl.h>

namespace brood::detail {
namespace {

using source = stdio::source_kind;

bool is_opened(plan const& p, int fd)
{
    return std::any_of(p.opened.begin(), p.opened.end(), [fd](os::private_fd const& own) { return own.get() == fd; });
}

// Whether the plan has opened the descriptor, for the child or for the parent.
bool owns(plan const& p, int fd)
{
    bool const is_foreground = p.foreground && p.foreground->terminal() == fd;
    return is_opened(p, fd) || is_foreground || p.terminal.get() == fd || p.cgroup.get() == fd ||
           std::any_of(
               p.parent_ends.begin(), p.parent_ends.end(), [fd](auto const& end) { return end.second.get() == fd; });
}

// Finds the parent's descriptor for each descriptor of the child.
class resolver {
public:
    resolver(plan& p, std::map<int, stdio> const& wanted) : plan_(p), wanted_(wanted) {}

    /// The descriptor of the child that `child_fd` is the same as.
    // A chain of same_as() that is longer than the number of descriptors is circular.
    result<int> root(int child_fd) const
    {
        std::size_t hops = 0;
        for (auto entry = wanted_.find(child_fd); entry != wanted_.end(); entry = wanted_.find(child_fd)) {
            if (entry->second.kind() != source::same_as)
                break;
            if (++hops > wanted_.size())
                return make_error_code(spawn_stage::stdio, EINVAL);
            child_fd = entry->second.descriptor();
        }
        return child_fd;
    }

    result<int> operator()(int root_fd)
    {
        if (auto const entry = wanted_.find(root_fd); entry != wanted_.end())
            return open(root_fd, entry->second);
        // Only the standard streams have a default.
        if (root_fd <= 2 && plan_.child_terminal >= 0)
            return plan_.child_terminal;
        return borrow(root_fd <= 2 ? root_fd : -1);
    }

private:
    result<int> open(int child_fd, stdio const& io)
    {
        if (auto known = opened_.find(child_fd); known != opened_.end())
            return known->second;
        auto fd = open_new(child_fd, io);
        if (fd)
            opened_.emplace(child_fd, fd.value());
        return fd;
    }

    result<int> open_new(int child_fd, stdio const& io)
    {
        switch (io.kind()) {
        case source::inherit: return borrow(child_fd);
        case source::fd: return borrow_blocking(io.descriptor());
        case source::null: return own(os::open_null(child_fd));
        case source::file: return own(os::open_file(io.path().c_str(), io.mode()));
        case source::piped: return pipe(child_fd);
        case source::owned: return take(io);
        case source::same_as: break;
        }
        return make_error_code(spawn_stage::stdio, EINVAL);
    }

    // If the plan itself has opened the number, the number was closed before.
    result<int> borrow(int fd) const
    {
        if (fd < 0 || !os::is_open(fd) || owns(plan_, fd))
            return make_error_code(spawn_stage::stdio, EBADF);
        return fd;
    }

    // The parent's end of another child's pipe is non-blocking, which few programs expect.
    result<int> borrow_blocking(int fd)
    {
        if (!os::is_non_blocking(fd) || owns(plan_, fd))
            return borrow(fd);
        os::fork_block const block;
        auto reopened = os::reopen_pipe(fd);
        return reopened ? own(std::move(reopened), block) : borrow(fd);
    }

    result<int> take(stdio const& io)
    {
        plan_.given_away.push_back(io.end());
        return own(io.end()->duplicate(2));
    }

    result<int> own(result<os::unique_fd> fd)
    {
        if (!fd)
            return make_error_code(spawn_stage::stdio, fd.error().value());
        return own(std::move(fd).value(), os::fork_block());
    }

    int own(os::unique_fd fd, os::fork_block const& block)
    {
        plan_.opened.emplace_back(std::move(fd), block);
        return plan_.opened.back().get();
    }

    result<int> pipe(int child_fd)
    {
        os::fork_block const block;
        auto created = child_fd <= 2 ? os::make_pipe() : os::make_stream_pair();
        if (!created)
            return make_error_code(spawn_stage::pipe, created.error().value());
        auto& [read_end, write_end] = created.value(); // both ends of a channel are readable and writable
        auto& parent_end = child_fd == 0 ? write_end : read_end;
        auto& child_end = child_fd == 0 ? read_end : write_end;
        if (auto error = os::set_non_blocking(parent_end.get()); error.failed())
            return make_error_code(spawn_stage::pipe, error.value());
        plan_.parent_ends[child_fd] = std::move(parent_end);
        return own(std::move(child_end), block);
    }

    plan& plan_;
    std::map<int, stdio> const& wanted_;
    std::map<int, int> opened_;
};

// Duplicates a descriptor above all targets.
result<int> duplicate(plan& p, int fd)
{
    os::fork_block const block;
    auto duplicate = os::duplicate_above(fd, p.highest_target);
    if (!duplicate)
        return make_error_code(spawn_stage::stdio, duplicate.error().value());
    p.opened.emplace_back(std::move(duplicate).value(), block);
    return p.opened.back().get();
}

bool is_fifo(stdio const& io) { return io.kind() == source::file && os::is_fifo(io.path().c_str()); }

// Opening a FIFO may wait for another process. The child does that, so that the parent can continue, and kill the
// child. Meanwhile the child must have no copies of other descriptors: their readers would wait, too.
void open_in_child(plan& p, int child_fd, stdio const& io)
{
    p.files.push_back(io.path());
    int const flags = io.mode() == open_mode::read ? O_RDONLY : O_WRONLY;
    p.steps.push_back({action::open_file, spawn_stage::stdio, flags, child_fd, p.files.back().c_str()});
}

bool is_plain_inherit(int child_fd, stdio const& io) { return child_fd <= 2 && io.kind() == source::inherit; }

} // namespace

// The program is looked up later: see make_plan.
bool names_descriptor(command_data const& cmd)
{
    auto const leads = [](std::string const& path) { return os::leads_to_procfs(path.c_str()); };
    return (cmd.directory && leads(*cmd.directory)) || (cmd.root && leads(*cmd.root)) ||
           std::any_of(cmd.descriptors.begin(), cmd.descriptors.end(), [&](auto const& entry) {
               return is_fifo(entry.second) && leads(entry.second.path());
           });
}

error_code add_descriptors(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::stdio;
    std::vector<fd_dup> dups, dups_of_fifos;
    std::vector<int> kept{0, 1, 2}, fifos;
    for (auto const& [child_fd, io] : cmd.descriptors)
        if (is_fifo(io))
            fifos.push_back(child_fd);
    resolver resolve(p, cmd.descriptors);
    for (auto const& [child_fd, io] : cmd.descriptors) {
        if (is_plain_inherit(child_fd, io))
            continue;
        if (child_fd > 2)
            kept.push_back(child_fd); // the map is sorted
        auto const root = resolve.root(child_fd);
        if (!root)
            return root.error();
        if (std::find(fifos.begin(), fifos.end(), root.value()) != fifos.end()) {
            if (child_fd != root.value())
                dups_of_fifos.push_back({root.value(), child_fd});
            continue;
        }
        auto const parent_fd = resolve(root.value());
        if (!parent_fd)
            return parent_fd.error();
        dups.push_back({parent_fd.value(), child_fd});
    }
    if (p.child_terminal >= 0)
        for (int stream : {0, 1, 2})
            if (!cmd.descriptors.contains(stream))
                dups.push_back({p.child_terminal, stream});
    // Otherwise the descriptors of the library, which are above all targets, would fail first.
    auto const exceeds_limit = [](std::vector<fd_dup> const& all) {
        return std::any_of(all.begin(), all.end(), [](fd_dup const& dup) {
            return dup.from != dup.to && !os::is_valid_target(dup.to);
        });
    };
    bool const fifo_exceeds_limit = !std::all_of(fifos.begin(), fifos.end(), os::is_valid_target);
    if (kept.back() > 2 && (exceeds_limit(dups) || exceeds_limit(dups_of_fifos) || fifo_exceeds_limit))
        return make_error_code(stage, EBADF);
    p.highest_target = kept.back();

    auto ordered = order_dups(std::move(dups), [&](int fd) { return duplicate(p, fd); });
    if (!ordered)
        return ordered.error();
    for (auto const& dup : ordered.value())
        p.steps.push_back({action::dup_fd, stage, dup.from, dup.to});
    auto const close_others = [&] {
        if (!cmd.inherit_fds)
            for (auto const& range : ranges_between(kept))
                p.steps.push_back({action::close_range, stage, range.first, range.last});
    };
    if (fifos.empty()) {
        close_others();
        return {};
    }
    // A name such as /dev/fd/3 and a hook need descriptors that exec would close.
    bool const needs_others = !cmd.pre_exec.empty() || names_descriptor(cmd);
    if (!needs_others) {
        close_others();
        p.steps.push_back({action::close_marked, stage});
    }
    for (int const child_fd : fifos)
        open_in_child(p, child_fd, cmd.descriptors.at(child_fd));
    for (auto const& dup : dups_of_fifos)
        p.steps.push_back({action::dup_fd, stage, dup.from, dup.to});
    if (needs_others)
        close_others();
    return {};
}

error_code dup_borrowed_fds(plan& p)
{
    std::map<int, int> duplicates;
    for (auto& s : p.steps) {
        if (s.what == action::open_file)
            break; // the sources that follow are the child's
        if ((s.what != action::dup_fd && s.what != action::set_terminal) || is_opened(p, s.a))
            continue;
        auto const known = duplicates.find(s.a);
        auto const copy = known == duplicates.end() ? duplicate(p, s.a) : result<int>(known->second);
        if (!copy)
            return copy.error();
        duplicates.emplace(s.a, copy.value());
        s.a = copy.value();
    }
    return {};
}

namespace {

// By the child's descriptor.
std::map<int, int> borrowed_fds(command_data const& cmd)
{
    std::map<int, int> borrowed;
    for (auto const& [child_fd, io] : cmd.descriptors)
        if (io.kind() == source::fd)
            borrowed.emplace(child_fd, io.descriptor());
        else if (io.kind() == source::inherit && child_fd > 2)
            borrowed.emplace(child_fd, child_fd);
    return borrowed;
}

// A standard stream of the parent that the child shares by its default.
bool is_closed_default(command_data const& cmd, int fd)
{
    return fd <= 2 && !cmd.terminal && !cmd.controlling_terminal && !cmd.descriptors.contains(fd) && !os::is_open(fd);
}

} // namespace

error_code check_controlling_terminal(command_data const& cmd)
{
    auto const fd = cmd.controlling_terminal;
    if (!fd || os::is_terminal(*fd))
        return {};
    return make_error_code(spawn_stage::terminal, os::is_open(*fd) ? ENOTTY : EBADF);
}

error_code check_borrowed_fds(command_data const& cmd)
{
    if (auto error = check_controlling_terminal(cmd); error.failed())
        return error;
    auto const closed = make_error_code(spawn_stage::stdio, EBADF);
    for (auto const& [child_fd, fd] : borrowed_fds(cmd))
        if (!os::is_open(fd))
            return closed;
    for (auto const& [child_fd, io] : cmd.descriptors)
        if (io.kind() == source::same_as && is_closed_default(cmd, io.descriptor()))
            return closed;
    return {};
}

result<std::vector<os::private_fd>> dup_borrowed_fds(command& cmd)
{
    if (auto error = check_borrowed_fds(cmd.data()); error.failed())
        return error;
    std::vector<os::private_fd> duplicates;
    auto const duplicate = [&](int fd, spawn_stage stage) -> result<int> {
        os::fork_block const block;
        auto copy = os::duplicate_above(fd, 2);
        if (!copy)
            return make_error_code(stage, copy.error().value());
        duplicates.emplace_back(std::move(copy).value(), block);
        return duplicates.back().get();
    };
    for (auto const& [child_fd, fd] : borrowed_fds(cmd.data())) {
        auto const copy = duplicate(fd, spawn_stage::stdio);
        if (!copy)
            return copy.error();
        cmd.fd(child_fd, stdio::fd(copy.value()));
    }
    if (auto const terminal = cmd.data().controlling_terminal) {
        auto const copy = duplicate(*terminal, spawn_stage::terminal);
        if (!copy)
            return copy.error();
        cmd.controlling_terminal(copy.value());
    }
    return duplicates;
}

} // namespace brood::detail
