// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/group_state.hpp"

#include "child/operations.hpp"

#include <boost/asio/error.hpp>

#include <cerrno>
#include <utility>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

error_code aborted() { return asio::error::operation_aborted; }

error_code check_all(group_options const& options)
{
    return options.limit == 0 ? sys::make_error_code(sys::invalid_argument) : check(options.stop);
}

output_options for_each(group_options const& options)
{
    output_options each;
    each.limit = options.output_limit;
    each.on_limit = options.on_output_limit;
    each.timeout = options.timeout;
    each.drain_grace = options.drain_grace;
    each.stop = options.stop;
    return each;
}

} // namespace

/// Takes the end of a run in. Destroyed uninvoked, it tells that the event loop goes.
class group_state::ended_handler {
public:
    ended_handler(std::shared_ptr<group_state> group, id which) : group_(std::move(group)), which_(which) {}
    ended_handler(ended_handler&&) noexcept = default;

    ~ended_handler()
    {
        if (group_)
            group_->context_gone();
    }

    void operator()(error_code ec, group_result told)
    {
        std::exchange(group_, nullptr)->run_ended(which_, ec, std::move(told));
    }

private:
    std::shared_ptr<group_state> group_;
    id which_;
};

group_state::group_state(asio::any_io_executor executor, group_options options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      each_(for_each(options_)),
      unusable_(check_all(options_)),
      fsm_(options_.limit, options_.on_failure)
{}

std::size_t group_state::running() const
{
    std::lock_guard lock(mutex_);
    return fsm_.running();
}

error_code group_state::refuse(command const& cmd) const
{
    if (unusable_.failed())
        return unusable_;
    auto const& streams = cmd.data().descriptors;
    if (auto const in = streams.find(0); in != streams.end() && in->second.from() == stdio::source::piped)
        return make_error_code(spawn_stage::stdio, EINVAL);
    return refuse_parent_ends(cmd.data(), 3);
}

result<group_child> group_state::spawn(command const& cmd)
{
    if (auto ec = refuse(cmd); ec.failed())
        return ec;
    std::lock_guard lock(mutex_);
    switch (fsm_.request()) {
    case group_fsm::now: return start_now(cmd);
    case group_fsm::later: return sys::make_error_code(sys::resource_unavailable_try_again);
    case group_fsm::never: break;
    }
    return aborted();
}

void group_state::async_spawn(command cmd, group_spawn_handler handler)
{
    basic_completion<group_child> then(std::move(handler), executor_);
    if (auto ec = refuse(cmd); ec.failed())
        return then.post(ec, {});
    std::lock_guard lock(mutex_);
    auto const which = prepare_cancel(then, &group_state::cancel_spawn);
    if (!fsm_.wait(which))
        return then.post(aborted(), {});
    pending_.spawns.emplace(which, pending_spawn{std::move(cmd), std::move(then)});
    start_next();
}

void group_state::async_next(group_next_handler handler)
{
    basic_completion<group_result> then(std::move(handler), executor_);
    std::lock_guard lock(mutex_);
    auto const which = prepare_cancel(then, &group_state::cancel_reader);
    pending_.readers.emplace(which, std::move(then));
    deliver();
}

void group_state::async_wait_all(first what, group_wait_handler handler)
{
    basic_completion<> then(std::move(handler), executor_);
    std::lock_guard lock(mutex_);
    auto const which = prepare_cancel(then, &group_state::cancel_end_wait);
    pending_.end_waits.emplace(which, end_wait{std::move(then), {}, what == first::stop});
    if (what == first::stop)
        stop_all();
    deliver();
}

void group_state::close() noexcept
{
    std::lock_guard lock(mutex_);
    closed_ = true;
    fsm_.stop();
    for (auto& [which, spawn] : pending_.spawns)
        spawn.then.post(aborted(), {});
    pending_.spawns.clear();
    for (auto& [which, then] : pending_.readers)
        then.post(aborted(), {});
    pending_.readers.clear();
    for (auto& [which, waiter] : pending_.end_waits)
        waiter.told = aborted();
    for_each_member([](member& running) { running.kill(); });
}

template <class Completion>
group_state::id group_state::prepare_cancel(Completion const& then, void (group_state::*cancel)(id))
{
    auto const which = next_id_++;
    if (auto slot = then.cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this(), cancel, which](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                (*self.*cancel)(which);
        });
    return which;
}

void group_state::cancel_spawn(id which)
{
    std::lock_guard lock(mutex_);
    auto const found = pending_.spawns.find(which);
    if (found == pending_.spawns.end())
        return;
    if (fsm_.withdraw(which)) {
        found->second.then.post(aborted(), {});
        pending_.spawns.erase(found);
        return;
    }
    auto& starting = members_.at(which);
    starting.cancelled = true;
    if (auto const run = starting.run.lock())
        run->kill();
}

void group_state::cancel_reader(id which)
{
    std::lock_guard lock(mutex_);
    auto const found = pending_.readers.find(which);
    if (found == pending_.readers.end())
        return;
    found->second.post(aborted(), {});
    pending_.readers.erase(found);
}

void group_state::cancel_end_wait(id which)
{
    std::lock_guard lock(mutex_);
    auto const found = pending_.end_waits.find(which);
    if (found == pending_.end_waits.end())
        return;
    found->second.told = aborted();
    if (!std::exchange(found->second.has_stopped, true))
        return stop_all();
    for_each_member([](member& running) { running.kill(); });
}

void group_state::child_started(id which, pid_t pid)
{
    std::lock_guard lock(mutex_);
    fsm_.start_over(which);
    auto& started = members_.at(which);
    if (!started.cancelled) {
        started.who = {next_index_++, pid};
        if (auto spawn = pending_.spawns.extract(which))
            spawn.mapped().then.post({}, started.who);
    }
    start_next();
}

void group_state::run_ended(id which, error_code ec, group_result told)
{
    std::lock_guard lock(mutex_);
    auto const ended = members_.extract(which).mapped();
    if (ended.who.id != 0) {
        static_cast<group_child&>(told) = ended.who;
        child_ended(ec, std::move(told));
    } else {
        fsm_.start_over(which);
        fsm_.not_started();
        if (auto spawn = pending_.spawns.extract(which))
            spawn.mapped().then.post(ended.cancelled ? aborted() : ec, {});
    }
    start_next();
    deliver();
}

void group_state::child_ended(error_code ec, group_result told)
{
    bool const well = !ec.failed() && told.status.success();
    if (!closed_)
        finished_.push_back({ec, std::move(told)});
    if (fsm_.ended(well))
        stop_all();
}

void group_state::context_gone() noexcept
{
    pending dropped; // after the lock: a handler may own the group
    std::lock_guard lock(mutex_);
    fsm_.stop();
    members_.clear(); // they go too
    std::swap(dropped, pending_);
}

result<group_child> group_state::start_now(command const& cmd)
{
    auto const run = std::make_shared<member>(executor_, 1, each_);
    if (auto const ec = run->start_now(cmd); ec.failed()) {
        fsm_.not_started();
        return ec;
    }
    auto const which = next_id_++;
    group_child const who{next_index_++, run->children().front().id()};
    members_.emplace(which, one_member{run, who});
    run->tell_to(ended_handler(shared_from_this(), which));
    run->run_started();
    return who;
}

void group_state::start_next()
{
    auto const which = fsm_.admit();
    if (!which)
        return;
    auto const run = std::make_shared<member>(executor_, 1, each_);
    members_.emplace(*which, one_member{run, {}});
    run->tell_to(ended_handler(shared_from_this(), *which));
    run->run(pending_.spawns.at(*which).cmd, [self = shared_from_this(), which = *which](pid_t pid) {
        self->child_started(which, pid);
    });
}

void group_state::abort_waiting()
{
    auto& spawns = pending_.spawns;
    for (auto each = spawns.begin(); each != spawns.end();) {
        auto const spawn = each++;
        if (!members_.contains(spawn->first))
            spawns.extract(spawn).mapped().then.post(aborted(), {});
    }
}

void group_state::deliver()
{
    auto& readers = pending_.readers;
    for (; !readers.empty() && !finished_.empty(); finished_.pop_front())
        readers.extract(readers.begin()).mapped().post(finished_.front().ec, std::move(finished_.front().told));
    if (!fsm_.idle())
        return;
    for (auto& [which, then] : readers)
        then.post(asio::error::eof, {});
    readers.clear();
    for (auto& [which, waiter] : pending_.end_waits)
        waiter.then.post(waiter.told);
    pending_.end_waits.clear();
}

void group_state::stop_all()
{
    if (!fsm_.stop())
        return;
    abort_waiting();
    for_each_member([](member& running) { running.stop(); });
}

template <class Function>
void group_state::for_each_member(Function what)
{
    for (auto const& [which, each] : members_)
        if (auto const running = each.run.lock())
            what(*running);
}

group_handle::group_handle(asio::any_io_executor const& executor, group_options options)
    : state_(std::make_shared<group_state>(executor, std::move(options)))
{}

group_handle::~group_handle() { state_->close(); }

std::size_t group_handle::running() const { return state_->running(); }
result<group_child> group_handle::spawn(command const& cmd) { return state_->spawn(cmd); }

void async_spawn(group_ptr const& group, command cmd, group_spawn_handler handler)
{
    group->async_spawn(std::move(cmd), std::move(handler));
}

void async_next(group_ptr const& group, group_next_handler handler) { group->async_next(std::move(handler)); }

void async_wait_all(group_ptr const& group, group_wait_handler handler)
{
    group->async_wait_all(group_state::first::just_wait, std::move(handler));
}

void async_stop(group_ptr const& group, group_wait_handler handler)
{
    group->async_wait_all(group_state::first::stop, std::move(handler));
}

} // namespace brood::detail
