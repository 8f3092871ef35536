// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/run_op.hpp"

#include "child/operations.hpp"
#include "io/stages.hpp"
#include "os/descriptors.hpp"

namespace brood::detail {
namespace {

using all_statuses = std::vector<exit_status>;

error_code refuse_parent_ends(pipeline const& line, int first)
{
    for (auto const& stage : line.stages())
        if (auto ec = detail::refuse_parent_ends(stage.data(), first); ec.failed())
            return ec;
    return {};
}

template <class Value, class What>
void run_to_end(
    run_telling<Value>& op, What const& what, error_code refused, typename run_telling<Value>::handler_type handler)
{
    op.tell_to(std::move(handler));
    if (refused.failed())
        return op.fail(refused);
    op.run(what);
}

void feed_from(output_options const& options, command& cmd)
{
    if (!sets(cmd, 0))
        cmd.in(options.input.size() > 0 ? stdio::piped() : stdio::null());
}

void capture_stream(command& cmd, int child_fd)
{
    if (!sets(cmd, child_fd))
        cmd.fd(child_fd, stdio::piped());
}

pipeline with_ends(pipeline const& line, output_options const& options)
{
    auto stages = line.stages();
    if (stages.empty())
        return line;
    feed_from(options, stages.front());
    capture_stream(stages.back(), 1);
    pipeline whole(std::move(stages));
    return line.shared_err() ? whole.err(*line.shared_err()) : whole;
}

bool captures_err(pipeline const& line)
{
    return line.shared_err().value_or(stdio::piped()).from() == stdio::source::piped;
}

// The first error of what would stop it, and of what nobody would read.
error_code refuse(stop_plan const& stop, error_code unread)
{
    auto const bad_plan = check(stop);
    return bad_plan.failed() ? bad_plan : unread;
}

/// Opens the pipe that the stages share for their standard error, and gives the writing end to `line`.
result<os::unique_fd> share_err(run_op& op, pipeline& line)
{
    auto ends = os::make_pipe();
    if (!ends)
        return make_error_code(spawn_stage::pipe, ends.error().value());
    auto& [reading, writing] = ends.value();
    if (auto ec = os::set_non_blocking(reading.get()); ec.failed())
        return make_error_code(spawn_stage::pipe, ec.value());
    if (auto ec = op.capture_err(std::move(reading)); ec.failed())
        return ec;
    line.err(stdio::fd(writing.get()));
    return std::move(writing);
}

} // namespace

void async_run(asio::any_io_executor const& executor, command cmd, wait_handler handler)
{
    auto const op = std::make_shared<run_telling<exit_status>>(executor, 1, output_options());
    run_to_end(*op, cmd, detail::refuse_parent_ends(cmd.data()), std::move(handler));
}

void async_run(asio::any_io_executor const& executor, pipeline line, statuses_handler handler)
{
    auto const count = line.stages().size();
    auto const op = std::make_shared<run_telling<all_statuses>>(executor, count, output_options());
    run_to_end(*op, line, refuse_parent_ends(line, 0), std::move(handler));
}

void async_output(asio::any_io_executor const& executor, command cmd, output_options options, output_handler handler)
{
    feed_from(options, cmd);
    capture_stream(cmd, 1);
    capture_stream(cmd, 2);
    auto const refused = refuse(options.stop, detail::refuse_parent_ends(cmd.data(), 3));
    auto const op = std::make_shared<run_telling<output>>(executor, 1, std::move(options));
    run_to_end(*op, cmd, refused, std::move(handler));
}

void async_output(
    asio::any_io_executor const& executor, pipeline line, output_options options, pipeline_handler handler)
{
    auto refused = refuse(options.stop, refuse_parent_ends(line, 2));
    line = with_ends(line, options);
    auto const count = line.stages().size();
    auto const op = std::make_shared<run_telling<pipeline_output>>(executor, count, std::move(options));
    os::unique_fd err; // each stage keeps its own
    if (!refused.failed() && captures_err(line)) {
        auto shared = share_err(*op, line);
        if (shared)
            err = std::move(shared).value();
        else
            refused = shared.error();
    }
    run_to_end(*op, line, refused, std::move(handler));
}

} // namespace brood::detail
