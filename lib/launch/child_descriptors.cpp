// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/child_descriptors.hpp"

#include "launch/moves.hpp"
#include "os/descriptors.hpp"

#include <algorithm>
#include <cerrno>
#include <map>

namespace brood::launch {
namespace {

using source = stdio::source;

// Finds, for each descriptor of the child, the descriptor of the parent that it comes from.
class resolver {
public:
    resolver(plan& p, std::map<int, stdio> const& wanted) : plan_(p), wanted_(wanted) {}

    // Following same_as() needs no more steps than there are descriptors, unless it goes round in circles.
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
        // Only the standard streams lead anywhere without being mapped.
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
        case source::null: return keep(os::open_null(child_fd));
        case source::file: return keep(os::open_file(io.path().c_str(), io.mode()));
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

    result<int> keep(result<os::unique_fd> fd)
    {
        if (!fd)
            return make_error_code(spawn_stage::stdio, fd.error().value());
        plan_.opened.push_back(std::move(fd).value());
        return plan_.opened.back().get();
    }

    result<int> pipe(int child_fd)
    {
        auto made = child_fd <= 2 ? os::make_pipe() : os::make_stream_pair();
        if (!made)
            return make_error_code(spawn_stage::pipe, made.error().value());
        auto& [reading, writing] = made.value(); // of a channel, each end does both
        auto& ours = child_fd == 0 ? writing : reading;
        auto& theirs = child_fd == 0 ? reading : writing;
        if (auto ec = os::set_non_blocking(ours.get()); ec.failed())
            return make_error_code(spawn_stage::pipe, ec.value());
        plan_.parent_ends[child_fd] = std::move(ours);
        return keep(std::move(theirs));
    }

    plan& plan_;
    std::map<int, stdio> const& wanted_;
    std::map<int, int> opened_;
};

// Out of the way of all targets.
result<int> duplicate(plan& p, int fd)
{
    auto made = os::duplicate_above(fd, p.highest_target);
    if (!made)
        return make_error_code(spawn_stage::stdio, made.error().value());
    p.opened.push_back(std::move(made).value());
    return p.opened.back().get();
}

bool is_opened(plan const& p, int fd)
{
    return std::any_of(p.opened.begin(), p.opened.end(), [fd](os::unique_fd const& own) { return own.get() == fd; });
}

bool is_plain_inherit(int child_fd, stdio const& io) { return child_fd <= 2 && io.from() == source::inherit; }

} // namespace

error_code add_descriptors(plan& p, detail::command_data const& cmd)
{
    auto const stage = spawn_stage::stdio;
    std::vector<fd_move> moves;
    std::vector<int> kept{0, 1, 2};
    resolver resolve(p, cmd.descriptors);
    for (auto const& [child_fd, io] : cmd.descriptors) {
        if (is_plain_inherit(child_fd, io))
            continue;
        auto const parent_fd = resolve(child_fd);
        if (!parent_fd)
            return parent_fd.error();
        moves.push_back({parent_fd.value(), child_fd});
        if (child_fd > 2)
            kept.push_back(child_fd); // the map is sorted
    }
    if (cmd.terminal)
        for (int stream : {0, 1, 2})
            if (!cmd.descriptors.contains(stream))
                moves.push_back({p.child_terminal, stream});
    p.highest_target = kept.back();

    auto ordered = order_moves(std::move(moves), [&](int fd) { return duplicate(p, fd); });
    if (!ordered)
        return ordered.error();
    for (auto const& move : ordered.value())
        p.steps.push_back({action::move_fd, stage, move.from, move.to});

    if (!cmd.inherit_fds)
        for (auto const& range : ranges_between(kept))
            p.steps.push_back({action::close_range, stage, range.first, range.last});
    return {};
}

error_code keep_borrowed(plan& p)
{
    std::map<int, int> kept;
    for (auto& s : p.steps) {
        if (s.what != action::move_fd || is_opened(p, s.a))
            continue;
        auto const known = kept.find(s.a);
        auto const own = known == kept.end() ? duplicate(p, s.a) : result<int>(known->second);
        if (!own)
            return own.error();
        kept.emplace(s.a, own.value());
        s.a = own.value();
    }
    return {};
}

} // namespace brood::launch
