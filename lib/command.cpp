// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/command.hpp>

#include "shell_line.hpp"

#include <iterator>
#include <ostream>
#include <sstream>

namespace brood {
namespace {

std::string listed(std::vector<ns> const& kinds)
{
    std::ostringstream text;
    for (auto const& kind : kinds)
        text << (&kind == &kinds.front() ? " " : ", ") << kind;
    return text.str();
}

// What a stage refers to.
std::string object_of(detail::command_data const& data, spawn_stage stage)
{
    auto const named = [](std::optional<std::string> const& path, char const* preposition) {
        std::ostringstream text;
        if (path)
            text << preposition << detail::shell_word{*path};
        return text.str();
    };
    switch (stage) {
    case spawn_stage::root: return named(data.root, " to ");
    case spawn_stage::directory: return named(data.directory, " to ");
    case spawn_stage::cgroup: return named(data.cgroup, " ");
    case spawn_stage::namespaces: return listed(data.namespaces);
    default: return {};
    }
}

// Replaces the program and its arguments by the launcher and its last arguments.
void launch(detail::command_data& data, std::vector<std::string> launcher, std::vector<std::string> rest)
{
    data.program = std::move(launcher.front());
    data.arguments.assign(std::move_iterator(launcher.begin() + 1), std::move_iterator(launcher.end()));
    data.arguments.insert(data.arguments.end(), std::move_iterator(rest.begin()), std::move_iterator(rest.end()));
}

} // namespace

void command::put_under(std::vector<std::string> launcher)
{
    if (launcher.empty())
        return;
    if (!data_.launcher_error && data_.program.empty())
        data_.launcher_error = errc::empty_program;
    if (!data_.launcher_error && data_.arg0)
        data_.launcher_error = errc::inexpressible;
    std::vector<std::string> words{std::move(data_.program)};
    words.insert(words.end(), std::move_iterator(data_.arguments.begin()), std::move_iterator(data_.arguments.end()));
    launch(data_, std::move(launcher), std::move(words));
}

void command::put_under_shell(std::vector<std::string> launcher)
{
    if (launcher.empty())
        return;
    auto line = shell_line(*this);
    if (!line)
        data_.launcher_error = line.error();
    launch(data_, std::move(launcher), {line ? std::move(line).value() : std::string()});
    data_.arg0.reset();
    data_.root.reset();
    data_.directory.reset();
    data_.env = {};
}

std::ostream& operator<<(std::ostream& out, command const& cmd)
{
    detail::write_line(out, cmd.data(), detail::line_form::readable);
    return out;
}

std::string describe(command const& cmd, error_code const& error)
{
    std::ostringstream text;
    text << detail::shell_program{cmd.program()} << ": ";
    if (auto const stage = stage_of(error))
        text << to_string(*stage) << object_of(cmd.data(), *stage) << ": "
             << boost::system::generic_category().message(error.value());
    else
        text << error.message();
    return text.str();
}

} // namespace brood
