// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "command/capture.hpp"

#include "os/environ.hpp"

#include <cerrno>
#include <climits>

namespace brood {
namespace {

bool has_nul(std::string_view text) { return text.find('\0') != text.npos; }

bool has_nul(detail::command_data const& cmd)
{
    if (has_nul(cmd.program) || (cmd.arg0 && has_nul(*cmd.arg0)) || (cmd.directory && has_nul(*cmd.directory)) ||
        (cmd.cgroup && has_nul(*cmd.cgroup)))
        return true;
    for (auto const& argument : cmd.arguments)
        if (has_nul(argument))
            return true;
    for (auto const& [key, value] : cmd.env.changes())
        if (has_nul(key) || (value && has_nul(*value)))
            return true;
    for (auto const& [fd, io] : cmd.descriptors)
        if (has_nul(io.path()))
            return true;
    return false;
}

bool has_bad_key(environment const& env)
{
    for (auto const& [key, value] : env.changes())
        if (key.empty() || key.find('=') != key.npos)
            return true;
    return false;
}

} // namespace

std::mutex& environment_mutex() noexcept
{
    static std::mutex mutex;
    return mutex;
}

error_code check(detail::command_data const& cmd)
{
    if (has_nul(cmd))
        return errc::nul_byte;
    if (cmd.program.empty())
        return errc::empty_program;
    if (has_bad_key(cmd.env))
        return errc::invalid_environment_key;
    bool const negative_fd = !cmd.descriptors.empty() && cmd.descriptors.begin()->first < 0;
    bool const new_session = cmd.session || cmd.terminal;
    if (negative_fd || (new_session && cmd.process_group) || cmd.process_group.value_or(0) < 0)
        return make_error_code(spawn_stage::prepare, EINVAL);
    return {};
}

string_block capture_environment(environment const& env)
{
    std::vector<std::string_view> inherited;
    std::size_t characters = 0;
    std::unique_lock lock(environment_mutex(), std::defer_lock);
    if (!env.cleared()) {
        lock.lock();
        auto const first = os::environment_block();
        auto end = first;
        while (end && *end)
            ++end;
        inherited.reserve(static_cast<std::size_t>(end - first));
        for (auto entry = first; entry != end; ++entry) {
            std::string_view const text = *entry;
            // An entry without '=' is nobody's variable: it is handed on as it is.
            if (env.unchanged() || !env.changes().contains(text.substr(0, text.find('=')))) {
                inherited.push_back(text);
                characters += text.size();
            }
        }
    }
    for (auto const& [key, value] : env.changes())
        characters += key.size() + 1 + (value ? value->size() : 0);

    string_block block;
    block.reserve(inherited.size() + env.changes().size(), characters);
    for (auto text : inherited)
        block.add(text);
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

string_block program_candidates(std::string const& program, std::optional<std::string_view> path)
{
    string_block candidates;
    if (program.find('/') != program.npos) {
        candidates.add(program);
        return candidates;
    }
    std::string const fallback = path ? std::string() : os::default_path();
    std::string_view const whole = path ? *path : std::string_view(fallback);
    for (auto rest = whole;;) {
        auto const colon = rest.find(':');
        auto const entry = rest.substr(0, colon);
        if (entry.size() + 1 + program.size() < PATH_MAX)
            candidates.add(entry, entry.empty() ? "" : "/", program);
        if (colon == rest.npos)
            break;
        rest.remove_prefix(colon + 1);
    }
    // Never the bare name, which would be a file in the current directory: the system shall say what it says.
    if (candidates.size() == 0)
        candidates.add(whole.substr(0, whole.find(':')), "/", program);
    return candidates;
}

string_block argument_block(detail::command_data const& cmd)
{
    string_block block;
    block.add(cmd.arg0 ? *cmd.arg0 : cmd.program);
    for (auto const& argument : cmd.arguments)
        block.add(argument);
    return block;
}

} // namespace brood
