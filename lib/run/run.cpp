// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "process/stop_op.hpp"
#include "run/run_op.hpp"
#include "run/stage_io.hpp"
#include "spawn/exec_strings.hpp"

namespace brood::detail {
namespace {

using all_statuses = std::vector<exit_status>;

error_code validate_parent_ends(pipeline const& line, int first)
{
    for (auto const& stage : line.stages())
        if (auto error = detail::validate_parent_ends(stage.data(), first); error.failed())
            return error;
    return {};
}

error_code first_error(error_code first, error_code second) { return first.failed() ? first : second; }

template <class Value, class What>
void run_to_end(
    typed_run_op<Value>& op, What const& what, error_code invalid, typename typed_run_op<Value>::handler_type handler)
{
    op.set_handler(std::move(handler));
    if (invalid.failed())
        return op.fail(invalid);
    op.run(what);
}

error_code set_ends(output_settings const& settings, pipeline& line)
{
    auto stages = line.stages();
    if (stages.empty())
        return {};
    auto const error = first_error(set_input(settings, stages.front()), capture_stream(settings, stages.back(), 1));
    pipeline whole(std::move(stages));
    if (line.is_contained())
        whole.contained();
    if (line.shared_err())
        whole.err(*line.shared_err());
    line = std::move(whole);
    return error;
}

bool captures_err(pipeline const& line)
{
    return line.shared_err().value_or(stdio::piped()).kind() == stdio::source_kind::piped;
}

/// Opens the pipe that the stages share as their standard error. `line` gets the write end, which is returned.
result<os::private_fd> share_err(run_op& op, pipeline& line)
{
    os::unique_fd read_end;
    os::private_fd write_end;
    {
        os::fork_block const block;
        auto ends = os::make_pipe();
        if (!ends)
            return make_error_code(spawn_stage::pipe, ends.error().value());
        read_end = std::move(ends.value().first);
        write_end = os::private_fd(std::move(ends.value().second), block);
    }
    if (auto error = os::set_non_blocking(read_end.get()); error.failed())
        return make_error_code(spawn_stage::pipe, error.value());
    if (auto error = op.capture_err(std::move(read_end)); error.failed())
        return error;
    line.err(stdio::fd(write_end.get()));
    return write_end;
}

} // namespace

void async_run(asio::any_io_executor const& executor, command cmd, run_options options, wait_handler handler)
{
    auto const& settings = options.settings();
    auto const op = std::make_shared<typed_run_op<exit_status>>(executor, 1, settings);
    auto const invalid = first_error(validate(settings.stop), detail::validate_parent_ends(cmd.data()));
    run_to_end(*op, cmd, invalid, std::move(handler));
}

void async_run(asio::any_io_executor const& executor, pipeline line, run_options options, statuses_handler handler)
{
    auto const& settings = options.settings();
    auto const op = std::make_shared<typed_run_op<all_statuses>>(executor, line.stages().size(), settings);
    auto const invalid = first_error(validate(settings.stop), validate_parent_ends(line, 0));
    run_to_end(*op, line, invalid, std::move(handler));
}

void async_output(asio::any_io_executor const& executor, command cmd, output_options options, output_handler handler)
{
    auto const& settings = options.settings();
    auto invalid = first_error(validate(settings.stop), set_input(settings, cmd));
    for (int child_fd : {1, 2})
        invalid = first_error(invalid, capture_stream(settings, cmd, child_fd));
    invalid = first_error(invalid, detail::validate_parent_ends(cmd.data(), 3));
    auto const op = std::make_shared<typed_run_op<output>>(executor, 1, settings);
    run_to_end(*op, cmd, invalid, std::move(handler));
}

error_code validate(output_options const& options, bool has_in, bool has_out, bool has_err)
{
    auto const& settings = options.settings();
    bool const unusable =
        (settings.input().size() > 0 && !has_in) || (settings.sinks[0] && !has_out) || (settings.sinks[1] && !has_err);
    return unusable ? make_error_code(boost::system::errc::invalid_argument) : validate(settings.stop);
}

void async_output(
    asio::any_io_executor const& executor, child_ptr child, standard_ends ends, output_options options,
    error_code invalid, output_handler handler)
{
    std::array owned{os::unique_fd(ends.in), os::unique_fd(ends.out), os::unique_fd(ends.err)};
    auto const op = std::make_shared<typed_run_op<output>>(executor, 1, options.settings());
    op->set_handler(std::move(handler));
    if (!invalid.failed())
        invalid = op->adopt(std::move(child), std::move(owned));
    if (invalid.failed())
        return op->fail(invalid);
    op->run_started();
}

void async_output(
    asio::any_io_executor const& executor, pipeline line, output_options options, pipeline_handler handler)
{
    auto const& settings = options.settings();
    auto invalid = first_error(validate(settings.stop), validate_parent_ends(line, 2));
    invalid = first_error(invalid, set_ends(settings, line));
    invalid = first_error(invalid, check_borrowed_fds(line));
    if (settings.sinks[1] && !captures_err(line))
        invalid = first_error(invalid, make_error_code(boost::system::errc::invalid_argument));
    auto const op = std::make_shared<typed_run_op<pipeline_output>>(executor, line.stages().size(), settings);
    os::private_fd err; // each stage duplicates it
    if (!invalid.failed() && captures_err(line)) {
        auto shared = share_err(*op, line);
        if (shared)
            err = std::move(shared).value();
        else
            invalid = shared.error();
    }
    run_to_end(*op, line, invalid, std::move(handler));
}

} // namespace brood::detail
