// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_STAGES_HPP
#define BROOD_LIB_IO_STAGES_HPP

#include <brood/pipeline.hpp>

#include <cerrno>
#include <optional>

namespace brood::detail {

/// Where a stage of a pipeline is put. Descriptors of -1 are the pipeline's own ends, which the stage decides.
struct stage_place {
    int in, out;
    std::optional<stdio> err;
    pid_t leader; ///< Of the stages' process group; 0 if there is none yet.
};

/// Whether a stage goes into the process group that the pipeline makes.
inline bool joins_group(command const& stage)
{
    auto const& data = stage.data();
    return !data.process_group && !data.session && !data.terminal;
}

inline bool sets(command const& stage, int child_fd) { return stage.data().descriptors.contains(child_fd); }

/// The error of a pipeline that sets what is not its to set.
inline error_code check(pipeline const& line)
{
    auto const& stages = line.stages();
    if (stages.empty()) // moved from
        return make_error_code(spawn_stage::prepare, EINVAL);
    auto const invalid = make_error_code(spawn_stage::stdio, EINVAL);
    for (auto const& stage : stages)
        if ((&stage != &stages.front() && sets(stage, 0)) || (&stage != &stages.back() && sets(stage, 1)))
            return invalid;
    auto const& err = line.shared_err();
    return err && err->from() == stdio::source::piped ? invalid : error_code();
}

/// A stage with all that its place says.
inline command connected(command stage, stage_place const& place)
{
    if (place.in >= 0)
        stage.in(stdio::fd(place.in));
    if (place.out >= 0)
        stage.out(stdio::fd(place.out));
    if (place.err && !sets(stage, 2))
        stage.err(*place.err);
    if (joins_group(stage))
        stage.process_group(place.leader);
    return stage;
}

} // namespace brood::detail

#endif
