// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/command.hpp>

#include <algorithm>
#include <ostream>
#include <sstream>

namespace brood {
namespace {

bool is_plain(char c) noexcept
{
    bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || std::string_view("%+,-./:=@_").find(c) != std::string_view::npos;
}

// Prints a word of a shell command. If it has other than plain characters, it is in double quotes. Those that a shell
// interprets there, and control characters, are escaped.
struct word {
    std::string_view text;

    bool is_plain() const { return !text.empty() && std::ranges::all_of(text, brood::is_plain); }

    friend std::ostream& operator<<(std::ostream& out, word w)
    {
        if (w.is_plain())
            return out << w.text;
        static constexpr char digits[] = "0123456789abcdef";
        out << '"';
        for (char c : w.text) {
            auto const byte = static_cast<unsigned char>(c);
            switch (c) {
            case '"':
            case '\\':
            case '$':
            case '`': out << '\\' << c; break;
            case '\n': out << "\\n"; break;
            case '\t': out << "\\t"; break;
            case '\r': out << "\\r"; break;
            default:
                if (byte < 0x20 || byte == 0x7f)
                    out << "\\x" << digits[byte >> 4] << digits[byte & 15];
                else
                    out << c;
            }
        }
        return out << '"';
    }
};

// The options of env(1). `cd` and `exec -a` of the shell cannot follow chroot(8).
void print_env_options(std::ostream& out, detail::command_data const& data)
{
    if (data.root && data.directory)
        out << " -C " << word{*data.directory};
    if (data.root && data.arg0)
        out << " -a " << word{*data.arg0};
    if (data.env.cleared())
        out << " -i";
    else
        for (auto const& [key, value] : data.env.changes())
            if (!value)
                out << " -u " << key;
}

void print_environment(std::ostream& out, detail::command_data const& data)
{
    std::ostringstream options;
    print_env_options(options, data);
    auto const& changes = data.env.changes();
    auto const sets = [](auto const& change) { return change.second.has_value(); };
    if (options.tellp() > 0 || (data.root && std::ranges::any_of(changes, sets)))
        out << "env" << options.str() << ' ';
    for (auto const& key : data.env.kept())
        if (!changes.contains(key))
            out << key << "=\"$" << key << "\" ";
    for (auto const& [key, value] : changes)
        if (value)
            out << key << '=' << word{*value} << ' ';
}

// A shell takes a first word with `=` for a variable.
void print_program(std::ostream& out, std::string const& program)
{
    word const name{program};
    if (name.is_plain() && program.find('=') != program.npos)
        out << '"' << program << '"';
    else
        out << name;
}

// What a stage refers to.
std::string object_of(detail::command_data const& data, spawn_stage stage)
{
    auto const named = [](std::optional<std::string> const& path, char const* preposition) {
        return path ? preposition + *path : std::string();
    };
    switch (stage) {
    case spawn_stage::root: return named(data.root, " to ");
    case spawn_stage::directory: return named(data.directory, " to ");
    case spawn_stage::cgroup: return named(data.cgroup, " ");
    default: return {};
    }
}

} // namespace

std::ostream& operator<<(std::ostream& out, command const& cmd)
{
    auto const& data = cmd.data();
    if (data.root)
        out << "chroot " << word{*data.root} << ' ';
    else if (data.directory)
        out << "cd " << word{*data.directory} << " && ";
    print_environment(out, data);
    if (data.arg0 && !data.root)
        out << "exec -a " << word{*data.arg0} << ' ';
    print_program(out, data.program);
    for (auto const& argument : data.arguments)
        out << ' ' << word{argument};
    return out;
}

std::string describe(command const& cmd, error_code const& error)
{
    std::ostringstream text;
    print_program(text, cmd.program());
    text << ": ";
    if (auto const stage = stage_of(error))
        text << to_string(*stage) << object_of(cmd.data(), *stage) << ": "
             << boost::system::generic_category().message(error.value());
    else
        text << error.message();
    return text.str();
}

} // namespace brood
