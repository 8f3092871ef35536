// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/command.hpp>

#include <ostream>

namespace brood {
namespace {

// Prints text in double quotes. Escapes the characters that a shell interprets there, and control characters.
struct quoted {
    std::string_view text;

    friend std::ostream& operator<<(std::ostream& out, quoted q)
    {
        static constexpr char digits[] = "0123456789abcdef";
        out << '"';
        for (char c : q.text) {
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

void print_environment(std::ostream& out, environment const& env)
{
    bool removes = false;
    for (auto const& [key, value] : env.changes())
        removes |= !value;
    if (env.cleared())
        out << "env -i ";
    else if (removes) {
        out << "env ";
        for (auto const& [key, value] : env.changes())
            if (!value)
                out << "-u " << key << ' ';
    }
    for (auto const& [key, value] : env.changes())
        if (value)
            out << key << '=' << quoted{*value} << ' ';
}

} // namespace

std::ostream& operator<<(std::ostream& out, command const& cmd)
{
    auto const& data = cmd.data();
    if (data.directory)
        out << "cd " << quoted{*data.directory} << " && ";
    print_environment(out, data.env);
    if (data.arg0)
        out << "exec -a " << quoted{*data.arg0} << ' ';
    out << quoted{data.program};
    for (auto const& argument : data.arguments)
        out << ' ' << quoted{argument};
    return out;
}

} // namespace brood
