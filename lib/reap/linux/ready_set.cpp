// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "reap/linux/ready_set.hpp"

#include "os/linux/epoll.hpp"

#include <boost/system/system_error.hpp>

#include <utility>
#include <vector>

namespace brood::reap {

error_code ready_watch::start(os::unique_fd& fd, observer_ptr told) { return set_.add(*this, fd, told); }

error_code ready_watch::arm(std::uint32_t events, observer_ptr told) { return set_.arm(*this, events, told); }

void ready_watch::disarm() noexcept { (void)set_.disarm(*this); }

os::unique_fd ready_watch::release() noexcept { return set_.remove(*this); }

ready_set::ready_set(asio::execution_context& context) : service(context), loop_(context), epoll_(loop_) { open(); }

void ready_set::open()
{
    auto made = os::make_epoll();
    if (!made)
        throw boost::system::system_error(made.error());
    epoll_.assign(made.value().get());
    (void)made.value().release();
}

// The observers outlive the lock: their ends come back here.
void ready_set::shutdown()
{
    std::vector<observer_ptr> dropped;
    std::lock_guard lock(mutex_);
    for (auto* one = first_; one; one = one->next_)
        dropped.push_back(take_observer(*one));
    listening_ = true; // nobody listens any more
    error_code ignored;
    epoll_.close(ignored);
}

// What the two processes still had in common, each would take from the other. Of a descriptor whose other end goes, the
// epoll tells whether it was asked or not.
void ready_set::notify_fork(asio::execution_context::fork_event event)
{
    if (event != asio::execution_context::fork_child)
        return;
    std::lock_guard lock(mutex_);
    epoll_.close();
    open();
    for (auto* one = first_; one; one = one->next_) {
        one->reportable_ = true;
        auto const events = one->told_ ? one->events_ : 0;
        if (auto ec = os::add_to_epoll(epoll_.native_handle(), one->fd_.get(), events, one); ec.failed())
            throw boost::system::system_error(ec);
    }
}

error_code ready_set::add(ready_watch& one, os::unique_fd& fd, observer_ptr& told)
{
    std::lock_guard lock(mutex_);
    if (auto ec = os::add_to_epoll(epoll_.native_handle(), fd.get(), one.events_, &one); ec.failed())
        return ec;
    try {
        keep(one, told);
    } catch (...) {
        os::remove_from_epoll(epoll_.native_handle(), fd.get());
        throw;
    }
    one.fd_ = std::move(fd);
    one.next_ = first_;
    if (first_)
        first_->previous_ = &one;
    first_ = &one;
    return {};
}

error_code ready_set::arm(ready_watch& one, std::uint32_t events, observer_ptr& told)
{
    std::lock_guard lock(mutex_);
    if (auto ec = os::arm_in_epoll(epoll_.native_handle(), one.fd_.get(), events, &one); ec.failed())
        return ec;
    keep(one, told);
    return {};
}

observer_ptr ready_set::disarm(ready_watch& one) noexcept
{
    std::lock_guard lock(mutex_);
    return take_observer(one);
}

// One that the epoll has told of, and can't tell of again, goes from there as it is closed, or a little later where
// a child between clone and exec has a copy.
os::unique_fd ready_set::remove(ready_watch& one) noexcept
{
    observer_ptr dropped;
    std::lock_guard lock(mutex_);
    if (!one.fd_)
        return {};
    dropped = take_observer(one);
    if (one.reportable_ && epoll_.is_open())
        os::remove_from_epoll(epoll_.native_handle(), one.fd_.get());
    unlink(one);
    return std::move(one.fd_);
}

void ready_set::keep(ready_watch& one, observer_ptr& told)
{
    one.reportable_ = true;
    one.told_.swap(told); // what was told before goes with the caller's, after the lock
    if (!told)
        ++armed_;
    if (listening_)
        return;
    try {
        listen();
    } catch (...) {
        told = take_observer(one);
        throw;
    }
}

observer_ptr ready_set::take_observer(ready_watch& one) noexcept
{
    if (one.told_ && --armed_ == 0 && listening_) {
        error_code ignored;
        epoll_.cancel(ignored);
    }
    return std::move(one.told_);
}

void ready_set::unlink(ready_watch& one) noexcept
{
    (one.previous_ ? one.previous_->next_ : first_) = one.next_;
    if (one.next_)
        one.next_->previous_ = one.previous_;
}

void ready_set::listen()
{
    epoll_.async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) { on_ready(ec); });
    listening_ = true; // unless there is no memory for that
}

std::size_t ready_set::take_ready(told_list& told)
{
    std::array<epoll_event, most_at_once> room;
    std::size_t count = 0;
    for (auto const& event : os::take_ready(epoll_.native_handle(), room)) {
        auto& one = *static_cast<ready_watch*>(event.data.ptr);
        one.reportable_ = false;
        if (!one.told_)
            continue; // disarmed
        --armed_;
        told[count++] = std::move(one.told_);
    }
    return count;
}

// It listens again before it tells: handlers that are called in here may take their time, or throw.
void ready_set::on_ready(error_code ec)
{
    told_list told;
    std::size_t count = 0;
    {
        std::lock_guard lock(mutex_);
        listening_ = false;
        if (!ec.failed())
            count = take_ready(told);
        if (armed_ > 0)
            listen();
    }
    for (std::size_t i = 0; i < count; ++i)
        std::exchange(told[i], nullptr)->hinted(i + 1 < count ? calling::later : calling::here);
}

} // namespace brood::reap
