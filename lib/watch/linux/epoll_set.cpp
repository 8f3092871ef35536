// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "watch/linux/epoll_set.hpp"

#include "os/fork.hpp"
#include "os/linux/epoll.hpp"

#include <boost/system/system_error.hpp>

#include <utility>
#include <vector>

namespace brood::detail {

error_code epoll_watch::start(os::unique_fd& fd, observer_ptr observer) { return set_.add(*this, fd, observer); }

error_code epoll_watch::arm(std::uint32_t events, observer_ptr observer) { return set_.arm(*this, events, observer); }

void epoll_watch::disarm() noexcept { (void)set_.disarm(*this); }

os::unique_fd epoll_watch::release() noexcept { return set_.remove(*this); }

epoll_set::epoll_set(asio::execution_context& context)
    : service(context), loop_(context), epoll_(std::make_unique<descriptor>(loop_))
{
    open();
}

void epoll_set::open()
{
    auto created = os::make_epoll();
    if (!created)
        throw boost::system::system_error(created.error());
    if (auto error = os::nesting_error(created.value().get()); error.failed())
        throw boost::system::system_error(error);
    epoll_->assign(created.value().get());
    (void)created.value().release();
    owner_ = os::own_pid();
}

// In a forked copy, closing the epoll would remove it from the parent's reactor, too.
epoll_set::~epoll_set()
{
    if (!is_own())
        (void)epoll_.release();
}

// A forked copy must not change the epoll, which it shares with the parent, until `notify_fork` has replaced it.
bool epoll_set::is_own() const noexcept { return owner_ == os::own_pid(); }

// The observers are destroyed after the lock is released, because their destructors call this class.
void epoll_set::shutdown()
{
    std::vector<observer_ptr> dropped;
    std::lock_guard lock(mutex_);
    for (auto* entry = first_; entry; entry = entry->next_)
        dropped.push_back(take_observer(*entry));
    listening_ = true; // prevents a new wait on the closed epoll
    error_code ignored;
    if (is_own())
        epoll_->close(ignored);
}

// The child replaces the epoll: with a shared epoll, each process would take events from the other. Disarmed
// descriptors are added, too. The epoll may report them, because it always reports a hangup.
void epoll_set::notify_fork(asio::execution_context::fork_event event)
{
    if (event != asio::execution_context::fork_child)
        return;
    std::lock_guard lock(mutex_);
    epoll_->close();
    open();
    for (auto* entry = first_; entry; entry = entry->next_) {
        entry->reportable_ = true;
        auto const events = entry->observer_ ? entry->events_ : 0;
        if (auto ec = os::add_to_epoll(epoll_->native_handle(), entry->fd_.get(), events, entry); ec.failed())
            throw boost::system::system_error(ec);
    }
}

error_code epoll_set::add(epoll_watch& entry, os::unique_fd& fd, observer_ptr& observer)
{
    std::lock_guard lock(mutex_);
    if (auto ec = os::add_to_epoll(epoll_->native_handle(), fd.get(), entry.events_, &entry); ec.failed())
        return ec;
    try {
        keep(entry, observer);
    } catch (...) {
        os::remove_from_epoll(epoll_->native_handle(), fd.get());
        throw;
    }
    entry.fd_ = std::move(fd);
    entry.next_ = first_;
    if (first_)
        first_->previous_ = &entry;
    first_ = &entry;
    return {};
}

error_code epoll_set::arm(epoll_watch& entry, std::uint32_t events, observer_ptr& observer)
{
    std::lock_guard lock(mutex_);
    if (auto ec = os::arm_in_epoll(epoll_->native_handle(), entry.fd_.get(), events, &entry); ec.failed())
        return ec;
    keep(entry, observer);
    return {};
}

observer_ptr epoll_set::disarm(epoll_watch& entry) noexcept
{
    std::lock_guard lock(mutex_);
    return take_observer(entry);
}

// A descriptor that the epoll has reported and cannot report again is not removed explicitly. The kernel removes it
// when its last copy is closed. A child between clone and exec may hold a copy for a moment.
os::unique_fd epoll_set::remove(epoll_watch& entry) noexcept
{
    observer_ptr dropped;
    std::lock_guard lock(mutex_);
    if (!entry.fd_)
        return {};
    dropped = take_observer(entry);
    if (entry.reportable_ && epoll_->is_open() && is_own())
        os::remove_from_epoll(epoll_->native_handle(), entry.fd_.get());
    unlink(entry);
    return std::move(entry.fd_);
}

void epoll_set::keep(epoll_watch& entry, observer_ptr& observer)
{
    entry.reportable_ = true;
    entry.observer_.swap(observer); // the caller destroys the previous observer after the lock is released
    if (!observer)
        ++armed_;
    if (listening_)
        return;
    try {
        listen();
    } catch (...) {
        observer = take_observer(entry);
        throw;
    }
}

observer_ptr epoll_set::take_observer(epoll_watch& entry) noexcept
{
    if (entry.observer_ && --armed_ == 0 && listening_) {
        error_code ignored;
        epoll_->cancel(ignored);
    }
    return std::move(entry.observer_);
}

void epoll_set::unlink(epoll_watch& entry) noexcept
{
    (entry.previous_ ? entry.previous_->next_ : first_) = entry.next_;
    if (entry.next_)
        entry.next_->previous_ = entry.previous_;
}

void epoll_set::listen()
{
    epoll_->async_wait(asio::posix::descriptor_base::wait_read, [this](error_code ec) { on_epoll_ready(ec); });
    listening_ = true; // not set if async_wait has thrown
}

std::size_t epoll_set::take_ready(observer_list& observers)
{
    std::array<epoll_event, max_events> events;
    std::size_t count = 0;
    for (auto const& event : os::take_ready(epoll_->native_handle(), events)) {
        auto& entry = *static_cast<epoll_watch*>(event.data.ptr);
        entry.reportable_ = false;
        if (!entry.observer_)
            continue; // disarmed
        --armed_;
        observers[count++] = std::move(entry.observer_);
    }
    return count;
}

// Listens again before it notifies, because the handlers that it calls may take long or throw. If there is no memory
// for that, the observers are notified all the same, and it tries again.
void epoll_set::on_epoll_ready(error_code ec)
{
    observer_list observers;
    std::size_t count = 0;
    {
        std::lock_guard lock(mutex_);
        listening_ = false;
        if (!ec.failed())
            count = take_ready(observers);
    }
    if (is_failure(ec))
        return fail_all(ec);
    try {
        listen_if_armed();
    } catch (std::bad_alloc const&) {
        notify({observers.data(), count});
        return listen_if_armed();
    }
    notify({observers.data(), count});
}

// The epoll reports nothing any more.
void epoll_set::fail_all(error_code error)
{
    while (auto const observer = take_any_observer())
        observer->on_failure(error);
}

observer_ptr epoll_set::take_any_observer() noexcept
{
    std::lock_guard lock(mutex_);
    for (auto* entry = first_; entry; entry = entry->next_)
        if (entry->observer_)
            return take_observer(*entry);
    return nullptr;
}

void epoll_set::listen_if_armed()
{
    std::lock_guard lock(mutex_);
    if (armed_ > 0 && !listening_)
        listen();
}

} // namespace brood::detail
