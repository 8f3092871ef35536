// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "launch/relay.hpp"

#include "launch/report.hpp"
#include "os/image.hpp"
#include "os/signals.hpp"
#include "relay_image.hpp" // made by the build

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstring>

namespace brood::launch {
namespace {

std::atomic<bool> refused = false;

bool changes_credentials(step const& s) noexcept
{
    return s.what == action::set_groups || s.what == action::set_gid || s.what == action::set_uid;
}

/// Writes steps, and what they point to, as offsets from the beginning.
class parcel_writer {
public:
    parcel_writer(std::span<step const> steps, relay_parcel head) : steps_(steps.begin(), steps.end())
    {
        bytes_.resize(sizeof head + steps_.size() * sizeof(step));
        for (auto& s : steps_)
            s.data = write(s);
        std::memcpy(bytes_.data(), &head, sizeof head);
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
        case action::default_signals: return write(s.data, sizeof(os::raw::signal_bits));
        case action::set_mask: return s.data ? write(s.data, sizeof(os::raw::signal_bits)) : nullptr;
        case action::change_directory: return write(static_cast<char const*>(s.data));
        case action::execute: return write_candidates(*static_cast<exec_target const*>(s.data));
        default: return nullptr; // what comes after the credentials has no other data
        }
    }

    // The arguments and the environment go their usual way.
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

/// The arguments of the relay: the number of its file's descriptor, and then the program's own.
class relay_arguments {
public:
    relay_arguments(int fd, char* const* argv)
    {
        *std::to_chars(number_, number_ + sizeof number_ - 1, fd).ptr = '\0';
        pointers_.push_back(number_);
        do
            pointers_.push_back(*argv);
        while (*argv++);
    }

    char* const* pointers() const noexcept { return pointers_.data(); }

private:
    char number_[16];
    std::vector<char*> pointers_;
};

// Policies against memory files that are programs, seccomp filters, old kernels.
bool is_refusal(int error) noexcept
{
    switch (error) {
    case EACCES:
    case EPERM:
    case ENOSYS:
    case ENOENT:
    case EINVAL:
    case ENOEXEC: return true;
    default: return false;
    }
}

// So that the next backend serves.
error_code refuse_from_now_on() noexcept
{
    refused = true;
    return make_error_code(spawn_stage::clone, ENOSYS);
}

} // namespace

bool wants_relay(plan const& p) noexcept { return std::any_of(p.steps.begin(), p.steps.end(), changes_credentials); }

bool has_relay() noexcept { return !relay_image.empty() && !refused.load(std::memory_order_relaxed); }

result<launched> launch_by_relay(plan const& p, pidfd_wish wish, shared_launch launch)
{
    auto channel = report_channel::make(p);
    if (!channel)
        return channel.error();
    auto const first = std::find_if(p.steps.begin(), p.steps.end(), changes_credentials);
    std::span<step const> const rest(first, p.steps.end());
    parcel_writer const parcel(
        rest, {os::blocked_signals(), channel.value().childs(), static_cast<unsigned>(rest.size())});
    auto image = os::make_image(relay_image, relay_parcel_offset, parcel.bytes());
    if (!image && is_refusal(image.error().value()))
        return refuse_from_now_on();
    if (!image)
        return make_error_code(spawn_stage::clone, image.error().value());
    if (auto ec = move_out_of_the_way(image.value(), p); ec.failed())
        return ec;

    int const report_fd = channel.value().childs(), image_fd = image.value().get();
    relay_arguments const arguments(image_fd, p.target.argv);
    exec_target const relay{nullptr, arguments.pointers(), p.target.envp};
    std::vector<step> steps(p.steps.begin(), first);
    for (int fd : {report_fd, image_fd}) // a move to itself lets it through exec
        steps.push_back({action::move_fd, spawn_stage::stdio, fd, fd});
    steps.push_back({action::execute_image, spawn_stage::exec, image_fd, 0, &relay});

    auto child = launch(p, steps, wish);
    if (!child)
        return stage_of(child.error()) == spawn_stage::exec && is_refusal(child.error().value()) ? refuse_from_now_on()
                                                                                                 : child.error();
    channel.value().close_childs();
    auto const [told, why] = channel.value().read();
    if (!why.failed())
        return child;
    pid_t const pid = child.value().pid;
    return told ? bury(pid, why) : kill_and_bury(pid, why);
}

} // namespace brood::launch
