// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_STAGE_IO_HPP
#define BROOD_LIB_RUN_STAGE_IO_HPP

#include "spawn/fd_setup.hpp"

#include <brood/pipeline.hpp>

#include <cerrno>
#include <optional>

namespace brood::detail {

/// What a pipeline sets for a stage. Descriptors of -1 are the pipeline's own ends, which the stage sets.
struct stage_io {
    int in, out;
    std::optional<stdio> err;
    pid_t leader; ///< Of the stages' process group; 0 if there is none yet.
    bool is_contained = false;
    std::shared_ptr<child_cgroup> cgroup = nullptr; ///< Of all stages, if they have one.
};

/// Whether a stage joins the process group of the pipeline.
inline bool joins_group(command const& stage)
{
    auto const& data = stage.data();
    bool const leads = data.session || data.terminal || data.controlling_terminal;
    return !data.process_group && !leads && !has_namespace(data, ns::pid); // which knows other pids
}

inline bool sets(command const& stage, int child_fd) { return stage.data().descriptors.contains(child_fd); }

/// Connects the input of the options. The command must not set another standard input.
inline error_code set_input(output_settings const& settings, command& cmd)
{
    if (!sets(cmd, 0))
        cmd.in(settings.input().size() > 0 ? stdio::piped() : stdio::null());
    bool const is_used = cmd.data().descriptors.at(0).kind() == stdio::source_kind::piped;
    return settings.input().size() > 0 && !is_used ? make_error_code(boost::system::errc::invalid_argument)
                                                   : error_code();
}

/// Captures a stream that the command does not set. A function of the options needs a stream of its own.
inline error_code capture_stream(output_settings const& settings, command& cmd, int child_fd)
{
    if (!sets(cmd, child_fd))
        cmd.fd(child_fd, stdio::piped());
    bool const is_captured = cmd.data().descriptors.at(child_fd).kind() == stdio::source_kind::piped;
    bool const needed = static_cast<bool>(settings.sinks[static_cast<std::size_t>(child_fd) - 1]);
    return needed && !is_captured ? make_error_code(boost::system::errc::invalid_argument) : error_code();
}

/// The error of a pipeline whose stages borrow a closed descriptor. Called before the pipes are created.
inline error_code check_borrowed_fds(pipeline const& line)
{
    auto const& err = line.shared_err();
    auto const& stages = line.stages();
    for (auto const& stage : stages) {
        command connected(stage); // the pipeline provides these streams
        if (&stage != &stages.front())
            connected.in(stdio::null());
        if (&stage != &stages.back())
            connected.out(stdio::null());
        if (err && !sets(stage, 2))
            connected.err(stdio::null());
        if (auto error = check_borrowed_fds(connected.data()); error.failed())
            return error;
    }
    bool const is_borrowed = err && err->kind() == stdio::source_kind::fd;
    return is_borrowed ? check_borrowed_fds(command("").fd(3, *err).data()) : error_code();
}

/// The error of a pipeline that sets a stream between two stages.
inline error_code validate(pipeline const& line)
{
    auto const& stages = line.stages();
    if (stages.empty()) // moved from
        return make_error_code(spawn_stage::prepare, EINVAL);
    auto const invalid = make_error_code(spawn_stage::stdio, EINVAL);
    for (auto const& stage : stages)
        // The terminal would be restored, or the group killed, at the end of this stage.
        if (stage.data().foreground || (stage.data().kill_group_at_end && joins_group(stage)))
            return make_error_code(spawn_stage::prepare, EINVAL);
    for (auto const& stage : stages)
        if ((&stage != &stages.front() && sets(stage, 0)) || (&stage != &stages.back() && sets(stage, 1)))
            return invalid;
    auto const& err = line.shared_err();
    return err && err->kind() == stdio::source_kind::piped ? invalid : check_borrowed_fds(line);
}

/// A stage with its pipes and its process group.
inline command connect(command stage, stage_io const& io)
{
    if (io.in >= 0)
        stage.in(stdio::fd(io.in));
    if (io.out >= 0)
        stage.out(stdio::fd(io.out));
    if (io.err && !sets(stage, 2))
        stage.err(*io.err);
    if (joins_group(stage))
        stage.process_group(io.leader);
    if (io.is_contained)
        stage.contained();
    if (io.cgroup)
        stage.pipeline_cgroup(io.cgroup);
    return stage;
}

} // namespace brood::detail

#endif
