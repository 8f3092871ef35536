// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_LAUNCH_PLAN_HPP
#define BROOD_LIB_LAUNCH_PLAN_HPP

#include "command/string_block.hpp"
#include "os/raw.hpp"
#include "os/unique_fd.hpp"

#include <brood/command.hpp>
#include <brood/result.hpp>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace brood::launch {

enum class action : unsigned char {
    enter_cgroup, // a: descriptor of its folder
    set_session,
    set_terminal, // a
    set_group,    // a: leader
    move_fd,      // a: source, b: target
    close_range,  // a: first, b: last
    set_umask,    // a
    set_limit,    // data: resource_limit
    add_nice,     // a
    set_affinity, // a: bytes, data
    set_groups,   // a: count, data: gid_t[]
    set_gid,      // data: gid_t
    set_uid,      // data: uid_t
    no_new_privs,
    set_death_signal, // a: signal, b: parent
    change_directory, // data: path
    default_signals,  // data: signal_bits
    set_mask,         // data: signal_bits; null: the spawning thread's
    call_hook,        // data: hook_call
    execute,          // data: exec_target
    execute_image,    // a: descriptor, data: exec_target without candidates
};

/// One thing that the child does before it is the program, and the stage that its failure is told as.
struct step {
    action what;
    spawn_stage stage;
    int a = 0;
    int b = 0;
    void const* data = nullptr;
};

struct exec_target {
    char* const* candidates; ///< Tried in order; null-terminated.
    char* const* argv;
    char* const* envp;
};

struct hook_call {
    int (*call)(void const*) noexcept; ///< Gives an errno, or 0.
    void const* argument;
};

/// A command turned into data: all memory allocated, all descriptors open, nothing left to decide.
/**
 * Three interpreters run the same plan: posix_spawn.cpp translates it; vfork.cpp and fork.cpp run it in the child
 * through child_side.cpp.
 */
struct plan {
    std::vector<step> steps; ///< In the order in which they are taken; the last one executes the program.

    std::map<int, os::unique_fd> parent_ends; ///< Of pipes and channels, by the child's descriptor.
    os::unique_fd terminal;                   ///< The parent's end.
    int child_terminal = -1;                  ///< Where the standard streams lead by default, if not to the parent's.
    bool own_group = false;                   ///< The child will lead a process group.
    os::unique_fd cgroup;                     ///< The folder of the cgroup that it is to be born in, if any.
    int highest_target = 2; ///< No descriptor of the library's own may be at or below it in the child.

    // What the steps point to.
    string_block candidates, argv, envp;
    exec_target target{};
    std::string directory;
    std::vector<detail::resource_limit> limits;
    std::vector<gid_t> groups;
    gid_t gid = 0;
    uid_t uid = 0;
    std::vector<unsigned long> affinity;
    os::raw::signal_bits defaults = 0;
    os::raw::signal_bits mask = 0;
    std::function<error_code()> hook;
    hook_call hook_target{};

    std::vector<os::unique_fd> opened; ///< Sources for the child; closed in the parent with the plan.

    plan() = default;
    plan(plan const&) = delete; // the steps point into it
};

/// Says which mask a child inherits, so that it need not be that of the thread which runs the plan.
void set_inherited_mask(plan& p, os::raw::signal_bits mask) noexcept;

/// Checks the command, opens what it needs, and orders the steps.
result<std::unique_ptr<plan>> make_plan(command const& cmd);

} // namespace brood::launch

#endif
