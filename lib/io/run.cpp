// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/run_op.hpp"

#include "child/operations.hpp"

namespace brood::detail {
namespace {

template <class Value>
void run_to_end(
    asio::any_io_executor const& executor, command const& cmd, output_options options, int first_refused_pipe,
    basic_completion<Value> then)
{
    if (auto ec = check(options.stop); ec.failed())
        return then.post(ec, Value());
    if (auto ec = refuse_parent_ends(cmd.data(), first_refused_pipe); ec.failed())
        return then.post(ec, Value());
    auto const op = std::make_shared<run_op<Value>>(executor, std::move(options), std::move(then));
    if (auto ec = op->spawn(cmd); ec.failed())
        return op->finish(ec);
    op->start();
}

} // namespace

void async_run(asio::any_io_executor const& executor, command cmd, wait_handler handler)
{
    run_to_end(executor, cmd, {}, 0, basic_completion<exit_status>(std::move(handler), executor));
}

void async_output(asio::any_io_executor const& executor, command cmd, output_options options, output_handler handler)
{
    auto const is_set = [&](int fd) { return cmd.data().descriptors.count(fd) > 0; };
    if (!is_set(0))
        cmd.in(options.input.size() > 0 ? stdio::piped() : stdio::null());
    for (int fd : {1, 2})
        if (!is_set(fd))
            cmd.fd(fd, stdio::piped());
    run_to_end(executor, cmd, std::move(options), 3, basic_completion<output>(std::move(handler), executor));
}

} // namespace brood::detail
