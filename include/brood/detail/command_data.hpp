// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_COMMAND_DATA_HPP
#define BROOD_DETAIL_COMMAND_DATA_HPP

#include <brood/backend.hpp>
#include <brood/environment.hpp>
#include <brood/error.hpp>
#include <brood/isolation.hpp>
#include <brood/stdio.hpp>
#include <brood/terminal_size.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sys/resource.h>
#include <sys/types.h>

namespace brood::detail {

/// A limit in 64 bits: the size of `rlim_t` depends on how the including file is compiled.
struct resource_limit {
    int resource;
    std::uint64_t soft, hard;

    static constexpr std::uint64_t infinity = ~std::uint64_t{0};
    static constexpr std::uint64_t widen(rlim_t limit) { return limit == RLIM_INFINITY ? infinity : limit; }
};

class cgroup_root;
class child_cgroup;

/// The settings of a `command`.
struct command_data {
    std::string program;
    std::vector<std::string> arguments;
    std::optional<std::string> arg0;
    error_code launcher_error; // of `under` and `under_shell`: the spawn reports it
    environment env;
    std::optional<std::string> root;
    std::optional<std::string> directory;
    std::map<int, stdio> descriptors; // by the child's number
    bool inherit_fds = false;
    std::optional<uid_t> user;
    std::optional<gid_t> group;
    std::optional<std::vector<gid_t>> groups;
    std::optional<pid_t> process_group;
    bool session = false;
    bool foreground = false;
    bool contained = false;
    bool kill_group_at_end = false;
    std::optional<terminal_size> terminal;
    std::optional<int> controlling_terminal;
    std::optional<mode_t> umask;
    std::vector<resource_limit> limits;
    std::optional<int> nice;
    std::vector<int> affinity;
    std::optional<int> parent_death_signal;
    bool no_new_privileges = false;
    std::vector<int> ambient_capabilities;
    std::optional<std::vector<int>> bounding_capabilities;
    std::vector<ns> namespaces;
    std::vector<id_range> uid_map, gid_map;
    std::optional<std::vector<bpf_instruction>> seccomp;
    std::optional<std::string> cgroup;
    std::optional<std::weak_ptr<cgroup_root>> scope;
    std::shared_ptr<child_cgroup> pipeline_cgroup; // set by the library
    std::optional<std::vector<int>> signal_mask;
    bool reset_signals = false;
    bool keep_sigpipe = false;
    std::vector<std::function<error_code()>> pre_exec; // in order
    spawn_backend backend = spawn_backend::automatic;
    exit_watcher watcher = exit_watcher::automatic;
};

/// Whether the child is created in a new namespace of this kind.
inline bool has_namespace(command_data const& cmd, ns kind)
{
    for (ns const each : cmd.namespaces)
        if (each == kind)
            return true;
    return false;
}

} // namespace brood::detail

#endif
