// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "run/group_state.hpp"

#include "process/stop_op.hpp"
#include "run/stage_io.hpp"
#include "spawn/exec_strings.hpp"

#include <boost/asio/error.hpp>

#include <exception>
#include <new>
#include <utility>

namespace brood::detail {
namespace {

namespace sys = boost::system::errc;

error_code aborted() { return asio::error::operation_aborted; }

// For destructors. A handler for which there is no memory is destroyed.
template <class Function>
void ignore_shortage(Function function) noexcept
{
    try {
        function();
    } catch (std::bad_alloc const&) {}
}

// Carries out all steps, even if one throws, and then rethrows the first exception.
class exception_collector {
public:
    template <class Function>
    void run(Function step)
    {
        try {
            step();
        } catch (...) {
            first_ = first_ ? first_ : std::current_exception();
        }
    }

    void rethrow() const
    {
        if (first_)
            std::rethrow_exception(first_);
    }

private:
    std::exception_ptr first_;
};

error_code validate_settings(group_settings const& settings)
{
    if (settings.max_running == 0)
        return make_error_code(sys::invalid_argument);
    return validate(settings.each.settings().stop);
}

} // namespace

/// Receives the end of a run. If it is destroyed without being invoked, the event loop is being destroyed, or an
/// exception is thrown under the lock.
class group_state::end_handler {
public:
    end_handler(std::shared_ptr<group_state> group, id ticket) : group_(std::move(group)), which_(ticket) {}
    end_handler(end_handler&&) noexcept = default;

    ~end_handler()
    {
        if (group_ && !group_->mutex_.is_mine())
            group_->on_context_shutdown();
    }

    void operator()(error_code error, group_result result)
    {
        std::exchange(group_, nullptr)->on_run_ended(which_, error, std::move(result));
    }

private:
    std::shared_ptr<group_state> group_;
    id which_;
};

group_state::group_state(asio::any_io_executor executor, group_settings settings)
    : executor_(std::move(executor)),
      settings_(std::move(settings)),
      invalid_(validate_settings(settings_)),
      fsm_(settings_.max_running, settings_.on_failure)
{}

std::size_t group_state::running() const
{
    std::lock_guard lock(mutex_);
    return fsm_.running();
}

output_settings const& group_state::settings_of(std::optional<output_options> const& options) const
{
    return (options ? *options : settings_.each).settings();
}

error_code group_state::validate_spawn(output_settings const& settings) const
{
    return invalid_.failed() ? invalid_ : validate(settings.stop);
}

// Validates a command whose streams the group feeds and captures, and connects its input.
error_code group_state::prepare(command& cmd, output_settings const& settings) const
{
    if (auto error = validate_spawn(settings); error.failed())
        return error;
    if (auto const in = cmd.data().descriptors.find(0);
        in != cmd.data().descriptors.end() && in->second.kind() == stdio::source_kind::piped)
        return errc::unexpected_pipe;
    if (auto error = validate_parent_ends(cmd.data(), 3); error.failed())
        return error;
    error_code error;
    if (settings.input().size() > 0)
        error = set_input(settings, cmd);
    for (int child_fd : {1, 2})
        if (!error.failed() && settings.sinks[static_cast<std::size_t>(child_fd) - 1])
            error = capture_stream(settings, cmd, child_fd);
    return error;
}

result<group_child> group_state::spawn(command const& cmd)
{
    std::lock_guard lock(mutex_);
    auto const index = next_index_++;
    auto prepared = cmd;
    if (auto error = prepare(prepared, settings_.each.settings()); error.failed())
        return error;
    auto const started = start_if_free(prepared, index, {});
    if (!started)
        return started.error();
    return group_child{index, started.value()->children().front()->id()};
}

result<child_owner> group_state::spawn_child(command const& cmd, streams_factory streams)
{
    std::lock_guard lock(mutex_);
    auto const index = next_index_++;
    if (auto error = validate_spawn(settings_.each.settings()); error.failed())
        return error;
    auto const started = start_if_free(cmd, index, std::move(streams));
    if (!started)
        return started.error();
    return started.value()->share_child();
}

result<std::shared_ptr<group_state::run_type>>
group_state::start_if_free(command const& cmd, std::size_t index, streams_factory streams)
{
    switch (fsm_.request()) {
    case group_fsm::now: return start_now(cmd, index, std::move(streams));
    case group_fsm::later: return sys::make_error_code(sys::resource_unavailable_try_again);
    case group_fsm::never: break;
    }
    return aborted();
}

void group_state::async_spawn(
    command cmd, std::optional<output_options> options, streams_factory streams, group_spawn_handler handler)
{
    basic_completion<group_child, child_owner> done(std::move(handler), executor_);
    auto const& settings = settings_of(options);
    auto const invalid = streams ? validate_spawn(settings) : prepare(cmd, settings);
    std::lock_guard lock(mutex_);
    auto const index = next_index_++;
    if (invalid.failed())
        return done.post(invalid, {index, 0}, {});
    auto const ticket = connect(done, &group_state::cancel_spawn);
    pending_spawn queued{std::move(cmd), std::move(options), std::move(streams), index, std::move(done)};
    auto const added = pending_.spawns.emplace(ticket, std::move(queued)).first;
    try {
        if (!fsm_.enqueue(ticket))
            return fail_spawn(ticket, aborted());
    } catch (std::bad_alloc const&) {
        pending_.spawns.erase(added);
        throw;
    }
    start_next();
    if (pending_.spawns.contains(ticket) && !members_.contains(ticket))
        dup_borrowed_fds(ticket);
}

void group_state::fail_spawn(id ticket, error_code error)
{
    if (auto spawn = pending_.spawns.extract(ticket))
        spawn.mapped().done.post(error, {spawn.mapped().index, 0}, {});
}

// The owner of the descriptors may close them while the command is queued.
void group_state::dup_borrowed_fds(id ticket)
{
    auto const queued = pending_.spawns.find(ticket);
    error_code error;
    try {
        auto duplicates = detail::dup_borrowed_fds(queued->second.cmd);
        if (duplicates) {
            queued->second.duplicates = std::move(duplicates).value();
            return;
        }
        error = duplicates.error();
    } catch (std::bad_alloc const&) {
        error = make_error_code(sys::not_enough_memory);
    }
    fsm_.withdraw(ticket);
    fail_spawn(ticket, error);
}

void group_state::async_next(group_next_handler handler)
{
    basic_completion<group_result> done(std::move(handler), executor_);
    std::lock_guard lock(mutex_);
    auto const ticket = connect(done, &group_state::cancel_reader);
    pending_.readers.emplace(ticket, std::move(done));
    deliver();
}

void group_state::wait_for_end(group_wait_handler handler, bool stop)
{
    basic_completion<> done(std::move(handler), executor_);
    std::lock_guard lock(mutex_);
    auto const ticket = connect(done, &group_state::cancel_end_wait);
    pending_.end_waits.emplace(ticket, end_wait{std::move(done), {}, stop});
    if (stop)
        stop_all();
    deliver();
}

void group_state::on_handle_destroyed() noexcept
{
    std::lock_guard lock(mutex_);
    closed_ = true;
    fsm_.stop();
    for_each_run([](run_type& run) { ignore_shortage([&] { run.kill(); }); });
    for (auto& [ticket, waiter] : pending_.end_waits)
        waiter.error = aborted();
    for (auto& spawn : std::exchange(pending_.spawns, {}))
        ignore_shortage([&] { spawn.second.done.post(aborted(), {spawn.second.index, 0}, {}); });
    for (auto& reader : std::exchange(pending_.readers, {}))
        ignore_shortage([&] { reader.second.post(aborted(), {}); });
}

template <class Completion>
group_state::id group_state::connect(Completion const& done, void (group_state::*cancel)(id))
{
    auto const ticket = next_id_++;
    if (auto slot = done.cancellation_slot(); slot.is_connected())
        slot.assign([weak = weak_from_this(), cancel, ticket](asio::cancellation_type type) {
            if (auto self = weak.lock(); self && type != asio::cancellation_type::none)
                (*self.*cancel)(ticket);
        });
    return ticket;
}

void group_state::cancel_spawn(id ticket)
{
    std::lock_guard lock(mutex_);
    auto const found = pending_.spawns.find(ticket);
    if (found == pending_.spawns.end())
        return;
    if (fsm_.withdraw(ticket))
        return fail_spawn(ticket, aborted());
    auto& starting = members_.at(ticket);
    starting.cancelled = true;
    if (auto const run = starting.run.lock())
        run->kill();
}

void group_state::cancel_reader(id ticket)
{
    std::lock_guard lock(mutex_);
    auto const found = pending_.readers.find(ticket);
    if (found == pending_.readers.end())
        return;
    found->second.post(aborted(), {});
    pending_.readers.erase(found);
}

void group_state::cancel_end_wait(id ticket)
{
    std::lock_guard lock(mutex_);
    auto const found = pending_.end_waits.find(ticket);
    if (found == pending_.end_waits.end())
        return;
    found->second.error = aborted();
    if (!std::exchange(found->second.has_stopped, true))
        return stop_all();
    for_each_run([](run_type& run) { run.kill(); });
}

void group_state::on_started(id ticket, child_ptr const& child)
{
    std::lock_guard lock(mutex_);
    auto const found = members_.find(ticket);
    if (found == members_.end())
        return; // the group has been abandoned
    fsm_.start_finished(ticket);
    auto& started = found->second;
    if (!started.cancelled) {
        started.child.id = child->id();
        if (started.handed_out)
            started.shared = child;
        auto const run = started.run.lock();
        if (auto spawn = pending_.spawns.extract(ticket))
            spawn.mapped().done.post({}, started.child, started.handed_out ? run->share_child() : child_owner());
    }
    start_next();
}

void group_state::on_run_ended(id ticket, error_code error, group_result result)
{
    std::lock_guard lock(mutex_);
    auto found = members_.extract(ticket);
    if (!found)
        return; // the group has been abandoned
    exception_collector steps;
    auto& ended = found.mapped();
    if (ended.child.id != 0) {
        static_cast<group_child&>(result) = ended.child;
        ended.result.front() = {error, std::move(result)};
        steps.run([&] { on_child_ended(ended); });
    } else {
        fsm_.start_finished(ticket);
        fsm_.not_started();
        steps.run([&] { fail_spawn(ticket, ended.cancelled ? aborted() : error); });
    }
    steps.run([&] { start_next(); });
    steps.run([&] { deliver(); });
    steps.rethrow();
}

void group_state::on_child_ended(member& ended)
{
    auto const& [error, result] = ended.result.front();
    bool const success = !error.failed() && result.status.success();
    if (!closed_ && !ended.handed_out)
        finished_.splice(finished_.end(), ended.result);
    if (fsm_.ended(success))
        stop_all();
}

void group_state::on_context_shutdown() noexcept
{
    pending dropped; // destroyed after the lock: a handler may own the group
    std::lock_guard lock(mutex_);
    fsm_.abandon();
    for (auto& [ticket, each] : members_)
        if (each.shared) // the run does not kill a child that has another owner
            ignore_shortage([&child = *each.shared] { (void)child.kill_tree(); });
    members_.clear(); // the runs are destroyed, too
    std::swap(dropped, pending_);
}

// If memory is not available, the child that has been started is killed with the run.
result<std::shared_ptr<group_state::run_type>>
group_state::start_now(command const& cmd, std::size_t index, streams_factory streams)
{
    auto const ticket = next_id_++;
    try {
        auto const run = std::make_shared<run_type>(executor_, 1, settings_.each.settings());
        auto& started = members_.emplace(ticket, member{run, {index, 0}, streams != nullptr}).first->second;
        run->set_handler(end_handler(shared_from_this(), ticket));
        run->leave_streams(std::move(streams));
        auto const error = run->start_now(cmd);
        if (!error.failed()) {
            auto const& child = run->children().front();
            started.child.id = child->id();
            if (started.handed_out)
                started.shared = child.get();
            run->run_started();
            return run;
        }
        members_.erase(ticket);
        fsm_.not_started();
        return error;
    } catch (std::bad_alloc const&) {
        drop_member(ticket);
        throw;
    }
}

void group_state::start_next()
{
    while (auto const ticket = fsm_.admit()) {
        try {
            return start(*ticket);
        } catch (std::bad_alloc const&) {
            drop_member(*ticket);
            fail_spawn(*ticket, make_error_code(sys::not_enough_memory));
        }
    }
}

// The start of the member has thrown.
void group_state::drop_member(id ticket)
{
    if (auto const dropped = members_.extract(ticket))
        if (auto const run = dropped.mapped().run.lock())
            run->drop_handler();
    fsm_.start_finished(ticket);
    fsm_.not_started();
}

void group_state::start(id ticket)
{
    auto& spawn = pending_.spawns.at(ticket);
    auto const run = std::make_shared<run_type>(executor_, 1, settings_of(spawn.options));
    members_.emplace(ticket, member{run, {spawn.index, 0}, spawn.streams != nullptr});
    run->set_handler(end_handler(shared_from_this(), ticket));
    run->leave_streams(std::move(spawn.streams));
    run->run(
        spawn.cmd, [self = shared_from_this(), ticket](child_ptr const& child) { self->on_started(ticket, child); });
}

void group_state::abort_queued()
{
    auto& spawns = pending_.spawns;
    for (auto each = spawns.begin(); each != spawns.end();) {
        auto const spawn = each++;
        if (!members_.contains(spawn->first))
            fail_spawn(spawn->first, aborted());
    }
}

void group_state::deliver()
{
    exception_collector steps;
    auto& readers = pending_.readers;
    for (; !readers.empty() && !finished_.empty(); finished_.pop_front())
        steps.run([&] {
            auto reader = readers.extract(readers.begin());
            reader.mapped().post(finished_.front().error, std::move(finished_.front().result));
        });
    if (fsm_.idle()) {
        for (auto& reader : std::exchange(readers, {}))
            steps.run([&] { reader.second.post(asio::error::eof, {}); });
        for (auto& waiter : std::exchange(pending_.end_waits, {}))
            steps.run([&] { waiter.second.done.post(waiter.second.error); });
    }
    steps.rethrow();
}

void group_state::stop_all()
{
    if (!fsm_.stop())
        return;
    abort_queued();
    for_each_run([](run_type& run) { run.stop(); });
}

template <class Function>
void group_state::for_each_run(Function what)
{
    for (auto const& [ticket, each] : members_)
        if (auto const run = each.run.lock())
            what(*run);
}

std::shared_ptr<group_interface> create_group(asio::any_io_executor const& executor, group_options options)
{
    return std::make_shared<group_state>(executor, options.settings());
}

} // namespace brood::detail
