// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/fd_setup.hpp"

#include "os/descriptors.hpp"
#include "spawn/fd_map.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

namespace brood::detail {
namespace {

using source = stdio::source;

// Finds the parent's descriptor for each descriptor of the child.
class resolver {
public:
    resolver(plan& p, std::map<int, stdio> const& wanted) : plan_(p), wanted_(wanted) {}

    // A chain of same_as() that is longer than the number of descriptors is circular.
    result<int> operator()(int child_fd)
    {
        std::size_t hops = 0;
        for (auto entry = wanted_.find(child_fd); entry != wanted_.end(); entry = wanted_.find(child_fd)) {
            if (entry->second.from() != source::same_as)
                return open(child_fd, entry->second);
            if (++hops > wanted_.size())
                return make_error_code(spawn_stage::stdio, EINVAL);
            child_fd = entry->second.descriptor();
        }
        // Only the standard streams have a default.
        if (child_fd <= 2 && plan_.child_terminal >= 0)
            return plan_.child_terminal;
        return borrow(child_fd <= 2 ? child_fd : -1);
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
        switch (io.from()) {
        case source::inherit: return borrow(child_fd);
        case source::fd: return borrow(io.descriptor());
        case source::null: return own(os::open_null(child_fd));
        case source::file: return own(os::open_file(io.path().c_str(), io.mode()));
        case source::piped: return pipe(child_fd);
        case source::same_as: break;
        }
        return make_error_code(spawn_stage::stdio, EINVAL);
    }

    static result<int> borrow(int fd)
    {
        if (fd < 0 || !os::is_open(fd))
            return make_error_code(spawn_stage::stdio, EBADF);
        return fd;
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

bool is_opened(plan const& p, int fd)
{
    return std::any_of(p.opened.begin(), p.opened.end(), [fd](os::private_fd const& own) { return own.get() == fd; });
}

bool is_plain_inherit(int child_fd, stdio const& io) { return child_fd <= 2 && io.from() == source::inherit; }

} // namespace

error_code add_descriptors(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::stdio;
    std::vector<fd_dup> dups;
    std::vector<int> kept{0, 1, 2};
    resolver resolve(p, cmd.descriptors);
    for (auto const& [child_fd, io] : cmd.descriptors) {
        if (is_plain_inherit(child_fd, io))
            continue;
        auto const parent_fd = resolve(child_fd);
        if (!parent_fd)
            return parent_fd.error();
        dups.push_back({parent_fd.value(), child_fd});
        if (child_fd > 2)
            kept.push_back(child_fd); // the map is sorted
    }
    if (cmd.terminal)
        for (int stream : {0, 1, 2})
            if (!cmd.descriptors.contains(stream))
                dups.push_back({p.child_terminal, stream});
    p.highest_target = kept.back();

    auto ordered = order_dups(std::move(dups), [&](int fd) { return duplicate(p, fd); });
    if (!ordered)
        return ordered.error();
    for (auto const& dup : ordered.value())
        p.steps.push_back({action::dup_fd, stage, dup.from, dup.to});

    if (!cmd.inherit_fds)
        for (auto const& range : ranges_between(kept))
            p.steps.push_back({action::close_range, stage, range.first, range.last});
    return {};
}

error_code dup_borrowed_fds(plan& p)
{
    std::map<int, int> duplicates;
    for (auto& s : p.steps) {
        if (s.what != action::dup_fd || is_opened(p, s.a))
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

} // namespace brood::detail
