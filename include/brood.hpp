// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_HPP
#define BROOD_HPP

#include <brood/as_result.hpp>
#include <brood/backend.hpp>
#include <brood/cgroup_scope.hpp>
#include <brood/child.hpp>
#include <brood/child_group.hpp>
#include <brood/command.hpp>
#include <brood/environment.hpp>
#include <brood/error.hpp>
#include <brood/exit_status.hpp>
#include <brood/isolation.hpp>
#include <brood/pipe_writer.hpp>
#include <brood/pipeline.hpp>
#include <brood/process.hpp>
#include <brood/resource_usage.hpp>
#include <brood/result.hpp>
#include <brood/run.hpp>
#include <brood/run_options.hpp>
#include <brood/spawn.hpp>
#include <brood/stdio.hpp>
#include <brood/stop.hpp>
#include <brood/terminal.hpp>
#include <brood/terminal_size.hpp>
#include <brood/tree_usage.hpp>

/// Child processes on a Boost.Asio event loop. Everything is in this namespace.
namespace brood {}

#endif
