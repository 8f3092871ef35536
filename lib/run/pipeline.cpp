// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "contain/child_cgroup.hpp"
#include "os/descriptors.hpp"
#include "os/files.hpp"
#include "os/fork.hpp"
#include "run/stage_io.hpp"
#include "spawn/launcher.hpp"

#include <brood/pipeline.hpp>

#include <ostream>

namespace brood {
namespace detail {
namespace {

// Stages that opened the file separately would overwrite each other's output.
result<os::unique_fd> open_once(std::optional<stdio>& err)
{
    if (!err || err->kind() != stdio::source_kind::file || os::is_fifo(err->path().c_str()))
        return os::unique_fd();
    auto file = os::open_file(err->path().c_str(), err->mode());
    if (file)
        file = os::above_standard(std::move(file).value());
    if (!file)
        return make_error_code(spawn_stage::stdio, file.error().value());
    err = stdio::fd(file.value().get());
    return file;
}

} // namespace

error_code spawn_stages(pipeline const& line, std::function<result<pid_t>(command const& stage)> const& spawn_one)
{
    if (auto error = validate(line); error.failed())
        return error;
    auto err = line.shared_err();
    auto const file = open_once(err);
    if (!file)
        return file.error();

    std::shared_ptr<child_cgroup> cgroup;
    if (line.is_contained())
        if (auto root = cgroup_root::of_process())
            if (auto created = child_cgroup::create(std::move(root).value(), true))
                cgroup = std::move(created).value(); // otherwise each stage has a guard

    pid_t leader = 0;
    os::private_fd in;
    for (auto const& stage : line.stages()) {
        os::private_fd out, next_in;
        if (&stage != &line.stages().back()) {
            os::fork_block const block;
            auto pipe = os::make_pipe();
            if (!pipe)
                return make_error_code(spawn_stage::pipe, pipe.error().value());
            next_in = os::private_fd(std::move(pipe.value().first), block);
            out = os::private_fd(std::move(pipe.value().second), block);
        }
        auto const spawn_with = [&](pid_t group) {
            return spawn_one(connect(stage, {in.get(), out.get(), err, group, line.is_contained(), cgroup}));
        };
        auto pid = spawn_with(leader);
        if (!pid && leader != 0 && joins_group(stage) && is_group_gone(pid.error())) {
            leader = 0;
            pid = spawn_with(leader);
        }
        if (!pid)
            return pid.error();
        if (leader == 0 && joins_group(stage))
            leader = pid.value();
        out.reset(); // the reader would not see the end of file
        in = std::move(next_in);
    }
    return {};
}

} // namespace detail

std::ostream& operator<<(std::ostream& out, pipeline const& line)
{
    char const* separator = "";
    for (auto const& stage : line.stages()) {
        out << separator << stage;
        separator = " | ";
    }
    return out;
}

} // namespace brood
