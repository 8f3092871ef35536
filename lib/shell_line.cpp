// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "shell_line.hpp"

#include "spawn/exec_strings.hpp"

#include <brood/command.hpp>

#include <algorithm>
#include <cerrno>
#include <ostream>
#include <sstream>

namespace brood {
namespace detail {
namespace {

bool is_plain(char c) noexcept
{
    bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || std::string_view("%+,-./:=@_").find(c) != std::string_view::npos;
}

bool is_plain(std::string_view text) noexcept
{
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_plain(c); });
}

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

// In double quotes. What a shell interprets there, and control characters, is escaped.
void write_escaped(std::ostream& out, std::string_view text)
{
    static constexpr char digits[] = "0123456789abcdef";
    out << '"';
    for (char c : text) {
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
    out << '"';
}

// In single quotes, where a shell interprets nothing but their end.
void write_verbatim(std::ostream& out, std::string_view text)
{
    out << '\'';
    for (char c : text)
        if (c == '\'')
            out << "'\\''";
        else
            out << c;
    out << '\'';
}

class line_writer {
public:
    line_writer(std::ostream& out, command_data const& cmd, line_form form)
        : out_(out), cmd_(cmd), exact_(form == line_form::exact), form_(form)
    {}

    void write()
    {
        write_directory();
        if (exact_)
            out_ << "exec ";
        write_environment();
        if (cmd_.arg0 && !cmd_.root)
            out_ << "exec -a " << word(*cmd_.arg0) << ' ';
        out_ << shell_program{cmd_.program, form_};
        for (auto const& argument : cmd_.arguments)
            out_ << ' ' << word(argument);
    }

private:
    using change = std::pair<std::string const, std::optional<std::string>>;

    shell_word word(std::string_view text) const { return {text, form_}; }

    void write_directory()
    {
        if (cmd_.root)
            out_ << "chroot " << word(*cmd_.root) << ' ';
        else if (cmd_.directory && exact_) // with `./`, neither CDPATH nor `-` has a meaning
            out_ << "cd -P " << word((cmd_.directory->starts_with('/') ? "" : "./") + *cmd_.directory) << " && ";
        else if (cmd_.directory)
            out_ << (cmd_.directory->starts_with('-') ? "cd -- " : "cd ") << word(*cmd_.directory) << " && ";
    }

    // The options of env(1). `cd` and `exec -a` of the shell cannot follow chroot(8).
    std::string env_options() const
    {
        std::ostringstream out;
        if (cmd_.root && cmd_.directory)
            out << " -C " << word(*cmd_.directory);
        if (cmd_.root && cmd_.arg0)
            out << " -a " << word(*cmd_.arg0);
        if (cmd_.env.cleared())
            out << " -i";
        else
            for (auto const& [key, value] : cmd_.env.changes())
                if (!value)
                    out << " -u " << word(key);
        return std::move(out).str();
    }

    // The shell's own assignments do not suffice: they need an identifier that is not read-only, and no chroot(8).
    bool needs_env(change const& each) const
    {
        return each.second && (exact_ || cmd_.root || !is_identifier(each.first));
    }

    // Whether env(1) or `exec` would take a word for an option.
    bool has_dash() const
    {
        auto const& changes = cmd_.env.changes();
        return cmd_.program.starts_with('-') || std::any_of(changes.begin(), changes.end(), [](change const& each) {
                   return each.second && each.first.starts_with('-');
               });
    }

    void write_environment()
    {
        auto const options = env_options();
        auto const& changes = cmd_.env.changes();
        bool const ends_options = exact_ && has_dash();
        auto const is_needed = [this](change const& each) { return needs_env(each); };
        if (!options.empty() || ends_options || std::any_of(changes.begin(), changes.end(), is_needed))
            out_ << "env" << options << (ends_options ? " -- " : " ");
        for (auto const& key : cmd_.env.kept())
            if (!changes.contains(key) && is_identifier(key)) // a shell has no other variables
                write_kept(key);
        for (auto const& [key, value] : changes)
            if (value)
                write_assignment(key, *value);
    }

    void write_kept(std::string const& key)
    {
        if (exact_) // nothing if the variable is not set
            out_ << "${" << key << '+' << key << "=\"$" << key << "\"} ";
        else
            out_ << key << "=\"$" << key << "\" ";
    }

    void write_assignment(std::string const& key, std::string const& value)
    {
        if (is_identifier(key))
            out_ << key << '=' << word(value) << ' ';
        else
            out_ << word(key + '=' + value) << ' ';
    }

    std::ostream& out_;
    command_data const& cmd_;
    bool exact_;
    line_form form_;
};

// Whether a setting has no exact form.
bool is_inexpressible(command_data const& cmd)
{
    auto const& kept = cmd.env.kept();
    bool const keeps_other = std::any_of(kept.begin(), kept.end(), [&](auto const& key) {
        return !is_identifier(key) && !cmd.env.changes().contains(key);
    });
    bool const has_env = !cmd.env.unchanged() || cmd.program.starts_with('-');
    bool const is_no_program_of_env = cmd.program == "-" || cmd.program.find('=') != cmd.program.npos;
    return cmd.arg0 || cmd.root || keeps_other || (has_env && is_no_program_of_env);
}

} // namespace

std::ostream& operator<<(std::ostream& out, shell_word const& word)
{
    bool const is_exact = word.form == line_form::exact;
    if (is_plain(word.text) && !(is_exact && word.text.starts_with('='))) // zsh replaces `=name` by a path
        out << word.text;
    else if (is_exact)
        write_verbatim(out, word.text);
    else
        write_escaped(out, word.text);
    return out;
}

std::ostream& operator<<(std::ostream& out, shell_program const& program)
{
    bool const is_readable = program.form == line_form::readable; // an exact line executes it with `exec` or env(1)
    bool const is_other = program.name.find('=') != program.name.npos || is_reserved(program.name);
    if (is_readable && is_plain(program.name) && is_other)
        return out << '"' << program.name << '"';
    return out << shell_word{program.name, program.form};
}

void write_line(std::ostream& out, command_data const& cmd, line_form form) { line_writer(out, cmd, form).write(); }

} // namespace detail

result<std::string> shell_line(command const& cmd)
{
    auto const& data = cmd.data();
    if (data.launcher_error)
        return data.launcher_error;
    if (auto const error = detail::validate_strings(data))
        return error;
    if (data.directory && data.directory->empty())
        return make_error_code(spawn_stage::directory, ENOENT);
    if (detail::is_inexpressible(data))
        return error_code(errc::inexpressible);
    std::ostringstream line;
    detail::write_line(line, data, detail::line_form::exact);
    return std::move(line).str();
}

} // namespace brood
