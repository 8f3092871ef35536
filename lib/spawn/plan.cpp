// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/plan.hpp"

#include "contain/child_cgroup.hpp"
#include "os/cgroup.hpp"
#include "os/credentials.hpp"
#include "os/image.hpp"
#include "os/process.hpp"
#include "os/shortage.hpp"
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
    if (!cmd.contained || cmd.cgroup)
        return {};
    auto root = cgroup_root::of_process();
    auto const error = root ? use_own_cgroup(p, child_cgroup::create(std::move(root).value(), true)) : root.error();
    return os::is_shortage(error.value()) ? error : error_code(); // otherwise a guard is used
}

// Without a cgroup, a guard contains the program. The other parts of a plan that no guard supports yet are steps that
// no backend with a guard supports.
error_code add_containment(plan& p, command_data const& cmd)
{
    if (auto error = add_own_cgroup(p, cmd); error.failed())
        return error;
    if (!cmd.contained || p.own_cgroup)
        return {};
    if (cmd.parent_death_signal || !cmd.namespaces.empty() || names_descriptor(cmd))
        return make_error_code(spawn_stage::prepare, ENOTSUP);
    p.steps.push_back({action::contain, spawn_stage::prepare});
    return {};
}

// Before the other steps: it needs the rights of the parent.
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

// The kernel refuses overlapping ranges, too.
bool is_valid_map(std::vector<id_range> const& map)
{
    constexpr std::size_t max_ranges = 340;
    constexpr std::uint64_t end_of_ids = 0xffffffff; // the last one means that there is none
    auto const overlap = [](std::uint32_t a, std::uint32_t a_count, std::uint32_t b, std::uint32_t b_count) {
        return std::uint64_t(a) < std::uint64_t(b) + b_count && std::uint64_t(b) < std::uint64_t(a) + a_count;
    };
    for (auto const& range : map) {
        if (range.count == 0 || std::uint64_t(range.inside) + range.count > end_of_ids ||
            std::uint64_t(range.outside) + range.count > end_of_ids)
            return false;
        for (auto const* other = map.data(); other != &range; ++other)
            if (overlap(range.inside, range.count, other->inside, other->count) ||
                overlap(range.outside, range.count, other->outside, other->count))
                return false;
    }
    return map.size() <= max_ranges;
}

// Without ranges, one id is mapped to itself.
std::string map_text(std::vector<id_range> const& map, std::uint32_t id)
{
    auto const line = [](id_range const& range) {
        return std::to_string(range.inside) + ' ' + std::to_string(range.outside) + ' ' + std::to_string(range.count) +
               '\n';
    };
    std::string text;
    for (auto const& range : map)
        text += line(range);
    return map.empty() ? line({id, id, 1}) : text;
}

// The cgroup namespace is created in the child: its root is the cgroup that the child has entered.
error_code add_namespaces(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::namespaces;
    bool has_cgroup = false, has_mount = false;
    for (ns const kind : cmd.namespaces) {
        if (!os::knows_namespaces())
            return make_error_code(stage, ENOTSUP);
        auto const flag = os::namespace_flag(kind);
        if (flag == 0)
            return invalid(stage);
        has_cgroup = has_cgroup || kind == ns::cgroup;
        has_mount = has_mount || kind == ns::mount;
        if (kind != ns::cgroup)
            p.namespaces |= flag;
    }
    bool const maps_ids = has_namespace(cmd, ns::user);
    bool const has_ranges = !cmd.uid_map.empty() || !cmd.gid_map.empty();
    if ((has_ranges && !maps_ids) || !is_valid_map(cmd.uid_map) || !is_valid_map(cmd.gid_map))
        return invalid(stage);
    // Inside, nobody knows whether the parent has ended before the signal was requested.
    if (has_namespace(cmd, ns::pid) && cmd.parent_death_signal)
        return make_error_code(spawn_stage::prepare, ENOTSUP);
    if (maps_ids)
        p.id_maps = {map_text(cmd.uid_map, ::geteuid()), map_text(cmd.gid_map, ::getegid()), !os::may_set_groups()};
    if (p.namespaces != 0)
        p.steps.push_back({action::begin_in_namespaces, stage});
    if (auto error = add_cgroup(p, cmd); error.failed())
        return error;
    if (has_cgroup)
        p.steps.push_back({action::unshare_cgroup_namespace, stage});
    if (has_mount)
        p.steps.push_back({action::make_mounts_private, stage});
    return {};
}

// Before the descriptors are mapped: a mapping may overwrite the number that the terminal has here.
void use_terminal(plan& p, int fd)
{
    p.child_terminal = fd;
    p.steps.push_back({action::set_terminal, spawn_stage::terminal, fd});
}

error_code add_terminal(plan& p, terminal_size size)
{
    auto const stage = spawn_stage::terminal;
    os::fork_block const block;
    auto opened = os::open_terminal(size);
    if (!opened)
        return make_error_code(stage, opened.error().value());
    p.terminal = std::move(opened.value().first);
    p.opened.emplace_back(std::move(opened.value().second), block);
    use_terminal(p, p.opened.back().get());
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
    bool const leads = cmd.session || cmd.terminal || cmd.controlling_terminal;
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
    if (cmd.controlling_terminal)
        use_terminal(p, *cmd.controlling_terminal);
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
bool drops_groups(plan const& p, command_data const& cmd)
{
    if (cmd.user && p.id_maps) // an id of the new namespace
        return !p.id_maps->deny_setgroups && !os::is_setgroups_denied();
    if (!cmd.user || *cmd.user == ::geteuid() || os::is_setgroups_denied())
        return false;
    return os::may_set_groups() || !os::is_own_user(*cmd.user);
}

// A bit for each capability. The result is empty if a number is out of range.
std::optional<std::uint64_t> capability_bits(std::vector<int> const& numbers)
{
    std::uint64_t bits = 0;
    for (int const number : numbers) {
        if (number < 0 || number >= 64)
            return std::nullopt;
        bits |= std::uint64_t(1) << number;
    }
    return bits;
}

error_code add_capabilities(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::credentials;
    auto const ambient = capability_bits(cmd.ambient_capabilities);
    auto const bounding = capability_bits(cmd.bounding_capabilities.value_or(std::vector<int>()));
    if (!ambient || !bounding || (cmd.bounding_capabilities && (*ambient & ~*bounding) != 0))
        return invalid(stage);
    p.capabilities = *ambient;
    p.bounding = *bounding;
    bool const has_all = p.id_maps.has_value();                                  // in its own user namespace
    if (p.capabilities != 0 && !has_all && os::lacks_capability(p.capabilities)) // a relay of root would have it
        return make_error_code(stage, EPERM);
    return {};
}

error_code add_credentials(plan& p, command_data const& cmd)
{
    auto const stage = spawn_stage::credentials;
    if (auto ec = add_capabilities(p, cmd); ec.failed())
        return ec;
    if (cmd.user == static_cast<uid_t>(-1) || cmd.group == static_cast<gid_t>(-1)) // the system would keep the ids
        return invalid(stage);
    if (cmd.user && p.capabilities != 0)
        p.steps.push_back({action::keep_capabilities, stage});
    if (cmd.bounding_capabilities)
        p.steps.push_back({action::limit_capabilities, stage, 0, 0, &p.bounding});
    if (cmd.groups || drops_groups(p, cmd)) {
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

error_code add_filter(plan& p, command_data const& cmd)
{
    constexpr std::size_t max_instructions = 4096; // of the kernel
    if (!cmd.seccomp)
        return {};
    if (cmd.seccomp->empty() || cmd.seccomp->size() > max_instructions)
        return invalid(spawn_stage::seccomp);
    p.filter = *cmd.seccomp;
    return {};
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
    if (!p.filter.empty())
        p.steps.push_back(
            {action::install_filter, spawn_stage::seccomp, static_cast<int>(p.filter.size()), 0, p.filter.data()});
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
    auto const is_last = [](step const& s) {
        return s.what == action::call_hook || s.what == action::install_filter || s.what == action::execute;
    };
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

pid_t group_of(plan const& p) noexcept
{
    for (auto const& s : p.steps)
        if (s.what == action::set_group)
            return s.a;
    return 0;
}

void renew_own_cgroup(plan& p) noexcept
try {
    if (!p.own_cgroup)
        return;
    auto another = p.own_cgroup->create_another();
    if (!another)
        return;
    auto directory = another.value()->open();
    if (!directory)
        return;
    p.own_cgroup = std::move(another).value();
    p.cgroup = std::move(directory).value();
    for (auto& s : p.steps)
        if (s.what == action::enter_cgroup)
            s.a = p.cgroup.get();
} catch (std::bad_alloc const&) {}

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

bool may_name_descriptor(char const* path) noexcept
{
    std::string_view const text(path);
    return text.starts_with("/proc/") || text.starts_with("/dev/");
}

bool is_named_by_descriptor(std::vector<step> const& steps) noexcept
{
    if (steps.back().what != action::execute)
        return false;
    for (auto path = static_cast<exec_target const*>(steps.back().data)->candidates; *path; ++path)
        if (may_name_descriptor(*path))
            return true;
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
    if (auto ec = check_controlling_terminal(data); ec.failed())
        return ec;
    auto p = std::make_unique<plan>();
    p->steps.reserve(16);
    if (auto ec = add_containment(*p, data); ec.failed())
        return ec;
    if (auto ec = add_namespaces(*p, data); ec.failed()) // and the cgroup
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
    if (auto ec = add_filter(*p, data); ec.failed())
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
