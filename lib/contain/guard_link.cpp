// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "contain/guard_link.hpp"

#include "contain/guard.hpp"
#include "os/descriptors.hpp"
#include "spawn/report_channel.hpp"

#include <cerrno>

namespace brood::detail {
namespace {

// Whether a whole message of this type has been received.
template <class Message>
result<bool> receive(int fd, Message& message, os::unique_fd& passed) noexcept
{
    auto const size = fd < 0 ? result<std::size_t>(0) : os::read_report(fd, &message, sizeof message, passed);
    if (!size)
        return size.error();
    return size.value() == sizeof message;
}

} // namespace

result<std::shared_ptr<guard_link>> guard_link::create(plan const& p)
{
    auto link = std::make_shared<guard_link>();
    {
        os::fork_block const block;
        auto ends = os::make_report_channel();
        if (!ends)
            return make_error_code(spawn_stage::pipe, ends.error().value());
        link->guard_end_ = os::private_fd(std::move(ends.value().second), block);
        auto parent_end = os::above_standard(std::move(ends.value().first));
        if (!parent_end)
            return make_error_code(spawn_stage::pipe, parent_end.error().value());
        if (auto error = os::set_non_blocking(parent_end.value().get()); error.failed())
            return make_error_code(spawn_stage::pipe, error.value());
        link->parent_end_ = os::private_fd(std::move(parent_end).value(), block);
    }
    if (auto error = move_above_targets(link->guard_end_, p); error.failed())
        return error;
    return link;
}

error_code guard_link::receive_start() noexcept
{
    guard_start start{};
    auto const received = receive(parent_end_.get(), start, pidfd_);
    bool const is_whole = received && received.value() && pidfd_ && start.program > 0;
    if (is_whole)
        pid_ = start.program;
    if (is_whole || ending_)
        return {};
    return make_error_code(spawn_stage::clone, received ? EPROTO : received.error().value());
}

void guard_link::end() noexcept
{
    ending_ = true;
    if (parent_end_)
        os::shut_down(parent_end_.get());
}

std::optional<guard_report> guard_link::finish() noexcept
{
    guard_report report{};
    os::unique_fd none;
    auto const received = receive(parent_end_.get(), report, none);
    parent_end_.reset();
    pidfd_.reset();
    return received && received.value() ? std::optional(report) : std::nullopt;
}

} // namespace brood::detail
