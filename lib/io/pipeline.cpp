// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "io/stages.hpp"
#include "os/descriptors.hpp"

#include <brood/pipeline.hpp>

#include <cerrno>
#include <ostream>

namespace brood {
namespace detail {
namespace {

error_code as_stage(spawn_stage stage, error_code ec) { return make_error_code(stage, ec.value()); }

// Each stage would open a file anew, and write over what another one has written.
result<os::unique_fd> open_once(std::optional<stdio>& err)
{
    if (!err || err->from() != stdio::source::file)
        return os::unique_fd();
    auto file = os::open_file(err->path().c_str(), err->mode());
    if (!file)
        return as_stage(spawn_stage::stdio, file.error());
    err = stdio::fd(file.value().get());
    return file;
}

} // namespace

error_code spawn_stages(pipeline const& line, std::function<result<pid_t>(command const& stage)> const& spawn_one)
{
    if (auto ec = check(line); ec.failed())
        return ec;
    auto err = line.shared_err();
    auto const file = open_once(err);
    if (!file)
        return file.error();

    pid_t leader = 0;
    os::fd_pair before; // its writing end is closed once its writer runs, or the reader would never see the end
    for (auto const& stage : line.stages()) {
        os::fd_pair after;
        if (&stage != &line.stages().back()) {
            auto made = os::make_pipe();
            if (!made)
                return as_stage(spawn_stage::pipe, made.error());
            after = std::move(made).value();
        }
        auto const pid = spawn_one(connected(stage, {before.first.get(), after.second.get(), err, leader}));
        if (!pid)
            return pid.error();
        if (leader == 0 && joins_group(stage))
            leader = pid.value();
        after.second.reset();
        before = std::move(after);
    }
    return {};
}

} // namespace detail

std::ostream& operator<<(std::ostream& out, pipeline const& line)
{
    char const* between = "";
    for (auto const& stage : line.stages()) {
        out << between << stage;
        between = " | ";
    }
    return out;
}

} // namespace brood
