// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/cgroup_scope.hpp>

#include "contain/cgroup_root.hpp"
#include "os/cgroup.hpp"
#include "process/completion.hpp"
#include "watch/watch.hpp"

#include <boost/asio/error.hpp>

#include <cerrno>
#include <mutex>
#include <new>
#include <optional>
#include <utility>

namespace brood {

command& command::cgroup(cgroup_scope const& scope) &
{
    data_.scope = scope.root_;
    return *this;
}

namespace detail {
namespace {

/// `cgroup_scope::async_kill`.
class kill_all_op final : public watch_observer, public std::enable_shared_from_this<kill_all_op> {
public:
    kill_all_op(asio::any_io_executor const& executor, std::shared_ptr<cgroup_root> root, cgroup_kill_handler handler)
        : executor_(executor), root_(std::move(root)), completion_(std::in_place, std::move(handler), executor)
    {}

    void start()
    {
        if (auto slot = completion_->cancellation_slot(); slot.is_connected())
            slot.assign([weak = weak_from_this()](asio::cancellation_type type) {
                if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                    self->finish(asio::error::operation_aborted);
            });
        auto events = os::open_cgroup_events(root_->directory(), ".");
        auto kill = os::open_cgroup_kill(root_->directory(), ".");
        if (!events || !kill)
            return finish(events ? kill.error() : events.error());
        events_ = std::move(events).value();
        kill_ = std::move(kill).value();
        go_on();
    }

private:
    void on_ready(completion_mode) override { go_on(); }
    void on_failure(error_code error) override { finish(error); }

    // Repeated, because a new process may have entered.
    void go_on()
    {
        auto const killed = os::kill_cgroup_by(kill_.get());
        auto const populated = os::is_populated(events_.get());
        if (!killed || !populated || !populated.value())
            return finish(!killed ? killed.error() : !populated ? populated.error() : error_code());
        if (auto const error = wait(); error.failed())
            finish(error);
    }

    error_code wait()
    try {
        std::lock_guard lock(mutex_);
        if (!completion_)
            return {};
        if (watch_)
            return watch_->rearm(shared_from_this());
        auto created = watch_changes(executor_, events_.get(), shared_from_this());
        if (!created)
            return created.error();
        watch_ = std::move(created).value();
        return {};
    } catch (std::bad_alloc const&) {
        return make_error_code(boost::system::errc::not_enough_memory);
    }

    void finish(error_code error)
    {
        std::unique_lock lock(mutex_);
        auto done = std::exchange(completion_, std::nullopt);
        auto const ended = std::move(watch_);
        lock.unlock();
        if (done)
            done->post(error);
    }

    asio::any_io_executor const executor_;
    std::shared_ptr<cgroup_root> const root_;
    os::unique_fd events_, kill_;
    std::mutex mutex_; // guards everything below
    std::optional<basic_completion<>> completion_;
    std::unique_ptr<watch> watch_;
};

} // namespace

result<std::shared_ptr<cgroup_root>> create_cgroup_root(std::string parent)
{
    if (parent.find('\0') != parent.npos)
        return make_error_code(errc::nul_byte);
    if (!parent.empty())
        return cgroup_root::create(std::move(parent));
    auto own = os::own_cgroup();
    if (!own)
        return make_error_code(spawn_stage::cgroup, own.error().value());
    return cgroup_root::create(std::move(own).value());
}

std::string const& path_of(cgroup_root const& root) noexcept { return root.path(); }

// The files of a controller exist if it is enabled.
result<void> set_limit(cgroup_root const& root, char const* file, std::string const& value)
{
    auto const set = os::set_in_cgroup(root.directory(), file, value);
    if (!set)
        return make_error_code(spawn_stage::cgroup, set.error().value() == ENOENT ? ENOTSUP : set.error().value());
    return set;
}

tree_usage usage_of(cgroup_root const& root) noexcept { return os::read_usage(root.directory(), true); }

result<void> kill_all(cgroup_root const& root) noexcept { return os::kill_cgroup(root.directory()); }

void close(cgroup_root& root) noexcept { root.close(); }

void async_kill_all(
    asio::any_io_executor const& executor, std::shared_ptr<cgroup_root> root, cgroup_kill_handler handler)
{
    std::make_shared<kill_all_op>(executor, std::move(root), std::move(handler))->start();
}

} // namespace detail
} // namespace brood
