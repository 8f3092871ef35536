// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/plan.hpp"

#include "contain/child_cgroup.hpp"
#include "os/cgroup.hpp"
#include "os/credentials.hpp"
#include "os/image.hpp"
#include "os/process.hpp"
#include "os/signals.hpp"
#include "os/terminal.hpp"
#include "spawn/exec_strings.hpp"
#include "spawn/fd_setup.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>

#include <unistd.h>

namespace brood::detail {
namespace {

error_code invalid(spawn_stage stage) { return make_error_code(stage, EINVAL); }

error_code use_own_cgroup(plan& p, result<std::shared_ptr<child_cgroup>> created)
{
    if (!created)
        return created.error();
    p.own_cgroup = std::move(created).value();
    return {};
}

// The cgroup that is created for the child, if any.
error_code add_own_cgroup(plan& p, command_data const& cmd)
{
    if (cmd.pipeline_cgroup)
        return use_own_cgroup(p, child_cgroup::create_below(cmd.pipeline_cgroup));
    if (cmd.scope) {
        auto root = cmd.scope->lock();
        return root ? use_own_cgroup(p, child_cgroup::create(std::move(root), cmd.contained))
                    : make_error_code(spawn_stage::cgroup, ENOENT);
    }
    if (cmd.contained && !cmd.cgroup)
        if (auto root = cgroup_root::of_process())
            (void)use_own_cgroup(p, child_cgroup::create(std::move(root).value(), true)); // otherwise a guard is used
    return {};
}

// Without a cgroup, a guard contains the program. The other parts of a plan that no guard supports yet are steps that
// no backend with a guard supports.
error_code add_containment(plan& p, command_data const& cmd)
{
    if (auto error = add_own_cgroup(p, cmd); error.failed())
        return error;
    if (!cmd.contained || p.own_cgroup)
        return {};
    if (cmd.parent_death_signal || names_descriptor(cmd))
        return make_error_code(spawn_stage::prepare, ENOTSUP);
    p.steps.push_back({action::contain, spawn_stage::prepare});
    return {};
}

// The first step of the program: it needs the rights of the parent.
error_code add_cgroup(plan& p, command_data const& cmd)
{
    if (!cmd.cgroup && !p.own_cgroup)
        return {};
    auto directory = p.own_cgroup ? p.own_cgroup->open() : os::open_cgroup(cmd.cgroup->c_str());
    if (!directory)
        return make_error_code(spawn_stage::cgroup, directory.error().value());
    p.cgroup = std::move(directory).value();
    p.steps.push_back({action::enter_cgroup, spawn_stage::cgroup, p.cgroup.get()});
    return {};
}

// Before the descriptors are mapped: a mapping may overwrite the number that the terminal has here.
error_code add_terminal(plan& p, terminal_size size)
{
    auto const stage = spawn_stage::terminal;
    os::fork_block const block;
    auto opened = os::open_terminal(size);
    if (!opened)
        return make_error_code(stage, opened.error().value());
    p.terminal = std::move(opened.value().first);
    p.opened.emplace_back(std::move(opened.value().second), block);
    p.child_terminal = p.opened.back().get();
    p.steps.push_back({action::set_terminal, stage, p.child_terminal});
    return {};
}

error_code add_foreground(plan& p)
{
    auto const stage = spawn_stage::terminal;
    auto opened = os::foreground::open();
    if (!opened)
        return make_error_code(stage, opened.error().value());
    p.foreground = std::move(opened).value();
    p.steps.push_back({action::set_foreground, stage, p.foreground->terminal()});
    return {};
}

error_code add_session(plan& p, command_data const& cmd)
{
    bool const leads = cmd.session || cmd.terminal;
    if (leads)
        p.steps.push_back({action::set_session, spawn_stage::session});
    auto const group = cmd.foreground ? 0 : cmd.process_group;
    if (group)
        p.steps.push_back({action::set_group, spawn_stage::session, *group});
    p.leads_group = leads || group == 0;
    p.kills_group = cmd.kill_group_at_end;
    if (p.kills_group && !p.leads_group)
        return invalid(spawn_stage::session);
    if (cmd.foreground)
        return add_foreground(p);
    return cmd.terminal ? add_terminal(p, *cmd.terminal) : error_code();
}

error_code add_limits(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::limits;
    if (cmd.umask)
        p.steps.push_back({action::set_umask, stage, static_cast<int>(*cmd.umask)});
    p.limits = cmd.limits;
    for (auto const& limit : p.limits)
        p.steps.push_back({action::set_limit, stage, 0, 0, &limit});
    constexpr int whole_range = 40; // the system clamps the sum, which must not overflow
    if (cmd.nice)
        p.steps.push_back({action::add_nice, stage, std::clamp(*cmd.nice, -whole_range, whole_range)});
    constexpr int word_bits = sizeof(unsigned long) * CHAR_BIT;
    constexpr int max_processors = 1 << 16;
    for (int processor : cmd.affinity) {
        if (processor < 0 || processor >= max_processors)
            return invalid(stage);
        auto const word = static_cast<std::size_t>(processor / word_bits);
        if (p.affinity.size() <= word)
            p.affinity.resize(word + 1);
        p.affinity[word] |= 1UL << (processor % word_bits);
    }
    if (!p.affinity.empty()) {
        auto const bytes = static_cast<int>(p.affinity.size() * sizeof(unsigned long));
        p.steps.push_back({action::set_affinity, stage, bytes, 0, p.affinity.data()});
    }
    return {};
}

// Before the credentials: only the parent may have the right.
void add_root(plan& p, command_data const& cmd)
{
    if (!cmd.root)
        return;
    p.root = *cmd.root;
    p.steps.push_back({action::change_root, spawn_stage::root, 0, 0, p.root.c_str()});
}

// With the groups of a privileged parent, another user would have rights of the parent.
bool drops_groups(command_data const& cmd)
{
    if (!cmd.user || *cmd.user == ::geteuid() || os::is_setgroups_denied())
        return false;
    return os::may_set_groups() || !os::is_own_user(*cmd.user);
}

error_code add_credentials(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::credentials;
    for (int const number : cmd.ambient_capabilities) {
        if (number < 0 || number >= 64)
            return invalid(stage);
        p.capabilities |= std::uint64_t(1) << number;
    }
    if (p.capabilities != 0 && os::lacks_capability(p.capabilities)) // the relay of a root user would have it
        return make_error_code(stage, EPERM);
    if (cmd.user == static_cast<uid_t>(-1) || cmd.group == static_cast<gid_t>(-1)) // the system would keep the ids
        return invalid(stage);
    if (cmd.user && p.capabilities != 0)
        p.steps.push_back({action::keep_capabilities, stage});
    if (cmd.groups || drops_groups(cmd)) {
        p.groups = cmd.groups.value_or(std::vector<gid_t>());
        p.steps.push_back({action::set_groups, stage, static_cast<int>(p.groups.size()), 0, p.groups.data()});
    }
    if (cmd.group) {
        p.gid = *cmd.group;
        p.steps.push_back({action::set_gid, stage, 0, 0, &p.gid});
    }
    if (cmd.user) {
        p.uid = *cmd.user;
        p.steps.push_back({action::set_uid, stage, 0, 0, &p.uid});
    }
    if (cmd.user || p.capabilities != 0) // only a change from root clears them
        p.steps.push_back({action::clear_ambient, stage});
    if (p.capabilities != 0)
        p.steps.push_back({action::raise_ambient, stage, 0, 0, &p.capabilities});
    if (cmd.no_new_privileges)
        p.steps.push_back({action::no_new_privs, stage});
    // A change of credentials clears the parent-death signal, so it is set after them.
    if (is_contained(p))
        p.steps.push_back({action::follow_guard, spawn_stage::limits});
    if (cmd.parent_death_signal) {
        if (!os::is_signal(*cmd.parent_death_signal))
            return invalid(spawn_stage::limits);
        p.steps.push_back({action::set_death_signal, spawn_stage::limits, *cmd.parent_death_signal, ::getpid()});
    }
    return {};
}

error_code add_signals(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::signals;
    auto const sigpipe = os::raw::bit_of(SIGPIPE);
    p.defaults = cmd.reset_signals ? os::application_signals() : sigpipe;
    if (cmd.keep_sigpipe)
        p.defaults &= ~sigpipe;
    if (p.defaults != 0)
        p.steps.push_back({action::default_signals, stage, 0, 0, &p.defaults});
    for (int signal : cmd.signal_mask.value_or(std::vector<int>())) {
        if (!os::is_signal(signal))
            return invalid(stage);
        p.mask |= os::raw::bit_of(signal);
    }
    bool const inherits = !cmd.signal_mask && !cmd.reset_signals;
    // All signals must be blocked until the child is in the foreground, and in a guard.
    bool const begins_blocked = cmd.foreground || is_contained(p);
    if (inherits && begins_blocked)
        p.mask = os::blocked_signals();
    if (!inherits || begins_blocked)
        p.steps.push_back({action::set_mask, stage, 0, 0, &p.mask});
    return {};
}

int call_hook(void const* argument) noexcept
{
    try {
        error_code const ec = (*static_cast<std::function<error_code()> const*>(argument))();
        bool const is_system =
            ec.category() == boost::system::system_category() || ec.category() == boost::system::generic_category();
        constexpr int max_errno = 4095; // other numbers, such as -1, must not be taken for success
        bool const is_errno = is_system && ec.value() > 0 && ec.value() <= max_errno;
        return !ec.failed() ? 0 : is_errno ? ec.value() : ECANCELED;
    } catch (...) {
        return ECANCELED;
    }
}

void add_program(plan& p, command_data const& cmd)
{
    p.hooks = cmd.pre_exec;
    p.hook_calls.reserve(p.hooks.size());
    for (auto const& hook : p.hooks) {
        p.hook_calls.push_back({call_hook, &hook});
        p.steps.push_back({action::call_hook, spawn_stage::hook, 0, 0, &p.hook_calls.back()});
    }
    p.envp = capture_environment(cmd.env);
    p.candidates = program_candidates(cmd.program, p.envp);
    p.argv = argument_block(cmd);
    p.target = {p.candidates.pointers(), p.argv.pointers(), p.envp.pointers()};
    p.steps.push_back({action::execute, spawn_stage::exec, 0, 0, &p.target});
}

} // namespace

bool sets_mask(plan const& p) noexcept
{
    return std::any_of(p.steps.begin(), p.steps.end(), [](step const& s) { return s.what == action::set_mask; });
}

void keep_initiator_mask(plan& p) noexcept
{
    if (sets_mask(p))
        return;
    p.mask = p.initiator_mask;
    auto const is_last = [](step const& s) { return s.what == action::call_hook || s.what == action::execute; };
    auto const at = std::find_if(p.steps.begin(), p.steps.end(), is_last);
    p.steps.insert(at, {action::set_mask, spawn_stage::signals, 0, 0, &p.mask});
}

void set_group(plan& p, pid_t leader) noexcept
{
    for (auto& s : p.steps)
        if (s.what == action::set_group)
            s.a = leader;
    p.leads_group = leader == 0;
}

bool is_named_by_procfs(plan const& p)
{
    for (std::size_t i = 0; i < p.candidates.size(); ++i) {
        std::string path(p.candidates[i]);
        if (!path.starts_with('/') && !p.directory.empty())
            path.insert(0, p.directory + '/');
        if (os::leads_to_procfs(path.c_str()))
            return true;
    }
    return false;
}

void close_given_away(plan& p) noexcept
{
    for (auto const& end : p.given_away)
        end->close();
}

result<std::unique_ptr<plan>> make_plan(command const& cmd)
{
    auto const& data = cmd.data();
    if (auto ec = validate(data); ec.failed())
        return ec;
    auto p = std::make_unique<plan>();
    p->steps.reserve(16);
    if (auto ec = add_containment(*p, data); ec.failed())
        return ec;
    if (auto ec = add_cgroup(*p, data); ec.failed())
        return ec;
    if (auto ec = add_session(*p, data); ec.failed())
        return ec;
    if (auto ec = add_descriptors(*p, data); ec.failed())
        return ec;
    if (auto ec = add_limits(*p, data); ec.failed())
        return ec;
    add_root(*p, data);
    if (auto ec = add_credentials(*p, data); ec.failed())
        return ec;
    if (data.directory) {
        p->directory = *data.directory;
        p->steps.push_back({action::change_directory, spawn_stage::directory, 0, 0, p->directory.c_str()});
    }
    if (auto ec = add_signals(*p, data); ec.failed())
        return ec;
    add_program(*p, data);
    auto const is_close_marked = [](step const& s) { return s.what == action::close_marked; };
    if (auto const closing = std::find_if(p->steps.begin(), p->steps.end(), is_close_marked);
        closing != p->steps.end() && is_named_by_procfs(*p))
        p->steps.erase(closing);           // the program may be one of the descriptors
    p->steps.reserve(p->steps.size() + 1); // for `keep_initiator_mask`
    return p;
}

} // namespace brood::detail
