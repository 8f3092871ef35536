// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/relay.hpp"

#include "os/descriptors.hpp"
#include "os/process.hpp"
#include "spawn/report_channel.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>

namespace brood::detail {
namespace {

/// Serializes steps and the data that they point to. Pointers become offsets from the beginning.
class parcel_writer {
public:
    parcel_writer(std::span<step const> steps, relay_parcel head) : steps_(steps.begin(), steps.end())
    {
        bytes_.resize(sizeof head + steps_.size() * sizeof(step));
        for (auto& s : steps_)
            s.data = write(s);
        std::memcpy(bytes_.data(), &head, sizeof head);
        if (!steps_.empty())
            std::memcpy(bytes_.data() + sizeof head, steps_.data(), steps_.size() * sizeof(step));
    }

    std::vector<char> const& bytes() const noexcept { return bytes_; }

private:
    void const* write(step const& s)
    {
        switch (s.what) {
        case action::set_groups: return write(s.data, static_cast<std::size_t>(s.a) * sizeof(gid_t));
        case action::set_gid: return write(s.data, sizeof(gid_t));
        case action::set_uid: return write(s.data, sizeof(uid_t));
        case action::limit_capabilities:
        case action::raise_ambient: return write(s.data, sizeof(std::uint64_t));
        case action::install_filter: return write(s.data, static_cast<std::size_t>(s.a) * sizeof(bpf_instruction));
        case action::default_signals: return write(s.data, sizeof(os::raw::signal_bits));
        case action::set_mask: return write(s.data, sizeof(os::raw::signal_bits));
        case action::set_limit: return write(s.data, sizeof(resource_limit));
        case action::set_affinity: return write(s.data, static_cast<std::size_t>(s.a));
        case action::open_file:
        case action::change_root:
        case action::change_directory: return write(static_cast<char const*>(s.data));
        case action::execute: return write_candidates(*static_cast<exec_target const*>(s.data));
        default: return nullptr; // no other step has data, except a hook, which is not for the relay
        }
    }

    // The arguments and the environment are passed by execve itself.
    void const* write_candidates(exec_target const& target)
    {
        std::vector<void const*> offsets;
        for (auto path = target.candidates; *path; ++path)
            offsets.push_back(write(*path));
        offsets.push_back(nullptr);
        return write(offsets.data(), offsets.size() * sizeof offsets[0]);
    }

    void const* write(char const* text) { return write(text, std::strlen(text) + 1); }

    void const* write(void const* data, std::size_t size)
    {
        constexpr std::size_t alignment = alignof(std::max_align_t);
        auto const at = (bytes_.size() + alignment - 1) / alignment * alignment;
        bytes_.resize(at + size);
        if (size > 0)
            std::memcpy(&bytes_[at], data, size);
        return reinterpret_cast<void const*>(at);
    }

    std::vector<step> steps_;
    std::vector<char> bytes_;
};

template <std::size_t Size>
void write_number(char (&to)[Size], int number) noexcept
{
    *std::to_chars(to, to + Size - 1, number).ptr = '\0';
}

// The parent's descriptor that a step uses; -1 if it uses none.
int source_of(step const& s) noexcept
{
    switch (s.what) {
    case action::enter_cgroup:
    case action::set_terminal:
    case action::set_foreground:
    case action::dup_fd: return s.a;
    default: return -1;
    }
}

step clear_close_on_exec(int fd) noexcept { return {action::dup_fd, spawn_stage::stdio, fd, fd}; }

} // namespace

result<relay_files> make_watchdog_files(watchdog_task const& task)
{
    parcel_writer const parcel({}, {-1, 0, -1, os::own_pid(), task});
    auto files = relay_files::create(parcel.bytes());
    if (!files)
        return make_error_code(spawn_stage::cgroup, files.error().value() == ENOSYS ? ENOTSUP : files.error().value());
    return files;
}

bool needs_relay(plan const& p) noexcept { return std::any_of(p.steps.begin(), p.steps.end(), requires_own_memory); }

bool can_relay(plan const& p)
{
    if (!relay_files::available())
        return false;
    return !is_named_by_procfs(p) && (!is_contained(p) || (os::pidfd_available() && os::can_list_children()));
}

error_code relay_launch::prepare(plan const& p, int exec_pipe, guard_link const* guard)
{
    auto channel = report_channel::create(p);
    if (!channel)
        return channel.error();
    channel_ = std::move(channel).value();
    exec_pipe_ = exec_pipe;
    link_ = guard ? guard->guard_end() : -1;
    auto first = std::find_if(p.steps.begin(), p.steps.end(), requires_own_memory);
    steps_.assign(p.steps.begin(), first);
    std::vector<step> rest;
    if (guard) {
        rest = pass_sources(p);
        ++first;
    }
    rest.insert(rest.end(), first, p.steps.end());
    parcel_writer const parcel(rest, {exec_pipe, static_cast<unsigned>(rest.size()), link_, os::own_pid()});
    auto files = relay_files::create(parcel.bytes());
    if (!files && (files.error().value() == ENOSYS || files.error().value() == EFBIG)) // the limit of file sizes
        return refusal();
    if (!files)
        return files.error();
    files_ = std::move(files).value();
    if (auto error = files_->move_above_targets(p); error.failed())
        return error;

    set_arguments(p.target.argv);
    relay_ = {nullptr, arguments_.data(), p.target.envp};
    for (int fd : {channel_->child_end(), files_->parcel(), exec_pipe, link_})
        if (fd >= 0)
            steps_.push_back(clear_close_on_exec(fd));
    steps_.push_back({action::execute_image, spawn_stage::exec, files_->program(), 0, &relay_});
    return {};
}

error_code relay_launch::outcome(error_code const& failure) const noexcept
{
    if (!failure.failed())
        return channel_->read().failure;
    if (!relay_files::is_refused(failure))
        return failure;
    return files_->replace() ? make_error_code(spawn_stage::clone, relay_is_replaced) : refusal();
}

// Lets the guard inherit what the program's process needs. Returns the steps with which that process takes it back.
std::vector<step> relay_launch::pass_sources(plan const& p)
{
    std::vector<step> marks;
    std::vector<int> seen; // a descriptor that a step has set up is not the parent's
    for (auto const& s : p.steps) {
        int const fd = source_of(s);
        if (fd >= 0 && std::find(seen.begin(), seen.end(), fd) == seen.end() && os::is_close_on_exec(fd)) {
            steps_.push_back(clear_close_on_exec(fd));
            marks.push_back({action::close_range, spawn_stage::stdio, fd, fd});
        }
        seen.push_back(fd);
        if (s.what == action::dup_fd || s.what == action::open_file)
            seen.push_back(s.b);
    }
    return marks;
}

// Without containment, the launcher tries the next backend now.
error_code relay_launch::refusal() const noexcept
{
    return link_ >= 0 ? make_error_code(spawn_stage::prepare, ENOTSUP) : make_error_code(spawn_stage::clone, ENOSYS);
}

void relay_launch::set_arguments(char* const* argv)
{
    write_number(parcel_number_, files_->parcel());
    write_number(report_number_, channel_->child_end());
    arguments_ = {parcel_number_, report_number_};
    do
        arguments_.push_back(*argv);
    while (*argv++);
}

} // namespace brood::detail
