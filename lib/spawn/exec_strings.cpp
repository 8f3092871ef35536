// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/exec_strings.hpp"

#include "os/environ.hpp"

#include <brood/detail/prepared_spawn.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace brood::detail {
namespace {

bool has_nul(std::string_view text) { return text.find('\0') != text.npos; }

bool has_nul(command_data const& cmd)
{
    if (has_nul(cmd.program) || (cmd.arg0 && has_nul(*cmd.arg0)) || (cmd.directory && has_nul(*cmd.directory)) ||
        (cmd.cgroup && has_nul(*cmd.cgroup)) || (cmd.root && has_nul(*cmd.root)))
        return true;
    for (auto const& argument : cmd.arguments)
        if (has_nul(argument))
            return true;
    for (auto const& [key, value] : cmd.env.changes())
        if (has_nul(key) || (value && has_nul(*value)))
            return true;
    for (auto const& key : cmd.env.kept())
        if (has_nul(key))
            return true;
    for (auto const& [fd, io] : cmd.descriptors)
        if (has_nul(io.path()))
            return true;
    return false;
}

bool is_bad_key(std::string const& key) { return key.empty() || key.find('=') != key.npos; }

bool has_bad_key(environment const& env)
{
    auto const& kept = env.kept();
    auto const& changes = env.changes();
    return std::any_of(kept.begin(), kept.end(), is_bad_key) ||
           std::any_of(changes.begin(), changes.end(), [](auto const& change) { return is_bad_key(change.first); });
}

// An entry without '=' is not a variable. It is passed on unless the environment is cleared.
bool is_passed_on(std::string_view entry, environment const& env)
{
    if (env.unchanged())
        return true;
    auto const key = entry.substr(0, entry.find('='));
    return !env.changes().contains(key) && (!env.cleared() || env.kept().contains(key));
}

} // namespace

error_code validate_parent_ends(command_data const& cmd, int first)
{
    return cmd.terminal || has_parent_ends(cmd, first) ? errc::unexpected_pipe : error_code();
}

error_code validate_strings(command_data const& cmd)
{
    if (has_nul(cmd))
        return errc::nul_byte;
    if (cmd.program.empty())
        return errc::empty_program;
    return has_bad_key(cmd.env) ? errc::invalid_environment_key : error_code();
}

error_code validate(command_data const& cmd)
{
    if (cmd.launcher_error)
        return cmd.launcher_error;
    if (auto const error = validate_strings(cmd))
        return error;
    bool const negative_fd = !cmd.descriptors.empty() && cmd.descriptors.begin()->first < 0;
    bool const new_session = cmd.session || cmd.terminal || cmd.controlling_terminal;
    bool const no_own_group = new_session || cmd.process_group.value_or(0) != 0;
    bool const foreign_group =
        has_namespace(cmd, ns::pid) && cmd.process_group.value_or(0) != 0; // the child knows other pids
    bool const two_terminals = cmd.terminal && cmd.controlling_terminal;
    if (negative_fd || foreign_group || two_terminals || (new_session && cmd.process_group) ||
        cmd.process_group.value_or(0) < 0 || (cmd.foreground && no_own_group))
        return make_error_code(spawn_stage::prepare, EINVAL);
    return {};
}

string_block capture_environment(environment const& env)
{
    std::size_t strings = 0;
    std::size_t characters = 0;
    for (auto const& [key, value] : env.changes()) {
        ++strings;
        characters += key.size() + 1 + (value ? value->size() : 0);
    }
    std::unique_lock lock(environment_mutex(), std::defer_lock);
    char const* const* inherited = nullptr;
    if (!env.cleared() || !env.kept().empty()) {
        lock.lock();
        inherited = os::environment_block();
    }
    for (auto entry = inherited; entry && *entry; ++entry) {
        ++strings;
        characters += std::strlen(*entry);
    }

    string_block block(strings, characters);
    for (auto entry = inherited; entry && *entry; ++entry) {
        std::string_view const text = *entry;
        if (is_passed_on(text, env))
            block.add(text);
    }
    for (auto const& [key, value] : env.changes())
        if (value)
            block.add(key, "=", *value);
    return block;
}

std::optional<std::string_view> find_variable(string_block const& block, std::string_view key)
{
    for (std::size_t i = 0; i < block.size(); ++i) {
        auto const entry = block[i];
        if (entry.size() > key.size() && entry[key.size()] == '=' && entry.starts_with(key))
            return entry.substr(key.size() + 1);
    }
    return std::nullopt;
}

string_block program_candidates(std::string const& program, string_block const& environment)
{
    if (program.find('/') != program.npos) {
        string_block only(1, program.size());
        only.add(program);
        return only;
    }
    auto const path = find_variable(environment, "PATH");
    std::string const fallback = path ? std::string() : os::default_path();
    std::string_view const whole = path ? *path : std::string_view(fallback);
    string_block candidates;
    for (auto rest = whole;;) {
        auto const colon = rest.find(':');
        auto const entry = rest.substr(0, colon);
        if (entry.size() + 1 + program.size() < PATH_MAX)
            candidates.add(entry, entry.empty() ? "" : "/", program);
        if (colon == rest.npos)
            break;
        rest.remove_prefix(colon + 1);
    }
    // Never the bare name, which would be a file in the current directory. The system reports the error of this path.
    if (candidates.size() == 0)
        candidates.add(whole.substr(0, whole.find(':')), "/", program);
    return candidates;
}

string_block argument_block(command_data const& cmd)
{
    auto const& name = cmd.arg0 ? *cmd.arg0 : cmd.program;
    auto characters = name.size();
    for (auto const& argument : cmd.arguments)
        characters += argument.size();
    string_block block(1 + cmd.arguments.size(), characters);
    block.add(name);
    for (auto const& argument : cmd.arguments)
        block.add(argument);
    return block;
}

} // namespace brood::detail
