// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_PLAN_HPP
#define BROOD_LIB_SPAWN_PLAN_HPP

#include "os/fork.hpp"
#include "os/namespaces.hpp"
#include "os/raw.hpp"
#include "os/unique_fd.hpp"
#include "spawn/pipe_end.hpp"
#include "spawn/string_block.hpp"

#include <brood/command.hpp>
#include <brood/result.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace brood::os {
class foreground;
}

namespace brood::detail {

class child_cgroup;

enum class action : unsigned char {
    contain,             // a guard starts the program: see contain/guard.hpp
    begin_in_namespaces, // created by the clone; waits until the ids are mapped
    enter_cgroup,        // a: descriptor of its directory
    unshare_cgroup_namespace,
    make_mounts_private,
    set_session,
    set_terminal,   // a
    set_group,      // a: leader
    set_foreground, // a: the terminal
    dup_fd,         // a: source, b: target
    open_file,      // a: flags, b: target, data: path
    close_range,    // a: first, b: last
    close_marked,   // closes what exec would close, because the next step may block
    set_umask,      // a
    set_limit,      // data: resource_limit
    add_nice,       // a
    set_affinity,   // a: bytes, data
    change_root,    // data: path
    set_groups,     // a: count, data: gid_t[]
    set_gid,        // data: gid_t
    set_uid,        // data: uid_t
    keep_capabilities,
    limit_capabilities, // data: std::uint64_t, a bit for each capability
    clear_ambient,
    raise_ambient, // data: std::uint64_t, a bit for each capability
    no_new_privs,
    set_death_signal, // a: signal, b: parent
    follow_guard,     // the program dies if its guard does
    change_directory, // data: path
    default_signals,  // data: signal_bits
    set_mask,         // data: signal_bits
    call_hook,        // data: hook_call
    install_filter,   // a: count, data: bpf_instruction[]
    execute,          // data: exec_target
    execute_image,    // a: descriptor, data: exec_target without candidates
};

/// One thing that the child does before the exec, and the stage of its failure.
struct step {
    action what;
    spawn_stage stage;
    int a = 0;
    int b = 0;
    void const* data = nullptr;
};

/// Whether a child that shares its parent's memory must not carry out the step, or any step after it.
/**
 * A change of credentials would make the parent's memory non-dumpable. A guard needs memory of its own. If a filter
 * kills the child, its core dump would end the parent (before Linux 5.16).
 */
constexpr bool requires_own_memory(step const& s) noexcept
{
    switch (s.what) {
    case action::contain:
    case action::keep_capabilities:  // before them; an exec would reset it
    case action::limit_capabilities: // before them; the exec of the relay would take away what they need
    case action::set_groups:
    case action::set_gid:
    case action::set_uid:
    case action::install_filter: return true;
    default: return false;
    }
}

struct exec_target {
    char* const* candidates; ///< Tried in order. Null-terminated.
    char* const* argv;
    char* const* envp;
};

struct hook_call {
    int (*call)(void const*) noexcept; ///< Returns an errno or 0.
    void const* argument;
};

/// A command as a list of steps. All memory is allocated, all descriptors are open and all decisions are made.
/**
 * Three backends carry out the same plan: posix_spawn.cpp translates it; vfork.cpp and fork.cpp run it in the child
 * with child_side.cpp.
 */
struct plan {
    std::vector<step> steps; ///< In order. The last one executes the program.

    std::map<int, os::unique_fd> parent_ends;   ///< Pipes and channels, by the child's descriptor.
    os::unique_fd terminal;                     ///< The parent's end.
    int child_terminal = -1;                    ///< The default of the standard streams, if the child has a terminal.
    std::shared_ptr<os::foreground> foreground; ///< Lent to the child until its end.
    bool leads_group = false;                   ///< The child leads a process group.
    bool kills_group = false;                   ///< The group that the child leads is killed at the child's end.
    bool may_lead_group = false;                ///< If the group that the child joins has ended, it may lead one.
    std::uint64_t namespaces = 0;               ///< The child is cloned into new ones: flags of os/namespaces.hpp.
    os::unique_fd cgroup;                       ///< The directory of the cgroup in which the child starts, if any.
    std::shared_ptr<child_cgroup> own_cgroup;   ///< It was created for the child.
    int highest_target = 2;                     ///< Descriptors of the library must be above it in the child.

    // The data that the steps point to.
    string_block candidates, argv, envp;
    exec_target target{};
    std::string root, directory;
    std::deque<std::string> files; ///< Opened by the child.
    std::vector<detail::resource_limit> limits;
    std::vector<gid_t> groups;
    gid_t gid = 0;
    uid_t uid = 0;
    std::uint64_t capabilities = 0, bounding = 0;
    std::optional<os::id_maps> id_maps; ///< Of the new user namespace, if there is one.
    std::vector<bpf_instruction> filter;
    std::vector<unsigned long> affinity;
    os::raw::signal_bits defaults = 0;
    os::raw::signal_bits mask = 0;           ///< What the child blocks, if a step sets it.
    os::raw::signal_bits initiator_mask = 0; ///< What the initiating thread of an asynchronous launch blocks.
    std::vector<std::function<error_code()>> hooks;
    std::vector<hook_call> hook_calls;

    std::vector<os::private_fd> opened; ///< Sources of the child's descriptors. Closed in the parent with the plan.

    std::vector<std::shared_ptr<pipe_end>> given_away; ///< Closed once the child runs.

    plan() = default;
    plan(plan const&) = delete; // the steps point into it
};

/// Whether a guard is needed: see contain/guard.hpp.
inline bool is_contained(plan const& p) noexcept { return !p.steps.empty() && p.steps.front().what == action::contain; }

/// Whether a step sets the signal mask. If none does, the child inherits that of the thread that carries out the plan.
bool sets_mask(plan const& p) noexcept;

/// Gives the child the mask of the initiating thread. Another thread may then carry out the plan. Needs no memory.
void keep_initiator_mask(plan& p) noexcept;

/// Makes the child join another process group; 0: lead one. The plan has a step for the group.
void set_group(plan& p, pid_t leader) noexcept;

/// The leader of the group that the child joins; 0: it leads one, or keeps that of its parent.
pid_t group_of(plan const& p) noexcept;

/// Gives another attempt to start the child a cgroup of its own, if the plan has one. Keeps the old one on failure.
void renew_own_cgroup(plan& p) noexcept;

/// Whether the program's name refers to the child itself, such as `/proc/self/exe` or `/dev/fd/3`.
bool is_named_by_procfs(plan const& p);

/// Whether a path may lead to any descriptor of the child.
bool may_name_descriptor(char const* path) noexcept;

/// The same for a path under which the last step may find the program.
bool is_named_by_descriptor(std::vector<step> const& steps) noexcept;

/// Closes what the command has given away. The child runs.
void close_given_away(plan& p) noexcept;

/// Validates the command, opens its descriptors and orders the steps.
result<std::unique_ptr<plan>> make_plan(command const& cmd);

} // namespace brood::detail

#endif
