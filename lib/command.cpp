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

    bool is_plain() const { return !text.empty() && std::all_of(text.begin(), text.end(), brood::is_plain); }

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

bool is_identifier(std::string_view text) noexcept
{
    bool const starts_with_digit = !text.empty() && text[0] >= '0' && text[0] <= '9';
    return !text.empty() && !starts_with_digit && std::all_of(text.begin(), text.end(), [](char c) {
        return is_plain(c) && std::string_view("%+,-./:=@").find(c) == std::string_view::npos;
    });
}

bool is_reserved(std::string_view text) noexcept
{
    static constexpr std::string_view words[] = {"case",   "coproc", "do",   "done",     "elif", "else",
                                                 "esac",   "fi",     "for",  "function", "if",   "in",
                                                 "select", "then",   "time", "until",    "while"};
    return std::find(std::begin(words), std::end(words), text) != std::end(words);
}

void print_assignment(std::ostream& out, std::string const& key, std::string const& value)
{
    if (is_identifier(key))
        out << key << '=' << word{value} << ' ';
    else
        out << word{key + '=' + value} << ' ';
}

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
                out << " -u " << word{key};
}

void print_environment(std::ostream& out, detail::command_data const& data)
{
    std::ostringstream options;
    print_env_options(options, data);
    auto const& changes = data.env.changes();
    // A shell assigns only to identifiers, and not behind chroot(8).
    auto const needs_env = [&](auto const& change) {
        return change.second && (data.root || !is_identifier(change.first));
    };
    if (options.tellp() > 0 || std::any_of(changes.begin(), changes.end(), needs_env))
        out << "env" << options.str() << ' ';
    for (auto const& key : data.env.kept())
        if (!changes.contains(key) && is_identifier(key)) // a shell has no other variables
            out << key << "=\"$" << key << "\" ";
    for (auto const& [key, value] : changes)
        if (value)
            print_assignment(out, key, *value);
}

// A shell takes a first word with `=` for a variable.
void print_program(std::ostream& out, std::string const& program)
{
    word const name{program};
    if (name.is_plain() && (program.find('=') != program.npos || is_reserved(program)))
        out << '"' << program << '"';
    else
        out << name;
}

// What a stage refers to.
std::string object_of(detail::command_data const& data, spawn_stage stage)
{
    auto const named = [](std::optional<std::string> const& path, char const* preposition) {
        std::ostringstream text;
        if (path)
            text << preposition << word{*path};
        return text.str();
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
        out << (data.directory->starts_with('-') ? "cd -- " : "cd ") << word{*data.directory} << " && ";
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
