// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SHELL_LINE_HPP
#define BROOD_LIB_SHELL_LINE_HPP

#include <brood/detail/command_data.hpp>

#include <iosfwd>
#include <string_view>

namespace brood::detail {

enum class line_form {
    readable, ///< For a reader: what a shell user would type. Control characters are escaped as in C.
    exact,    ///< For a POSIX shell: the program receives every byte.
};

/// A word of a shell command, which is quoted if a shell requires it.
struct shell_word {
    std::string_view text;
    line_form form = line_form::readable;

    friend std::ostream& operator<<(std::ostream& out, shell_word const& word);
};

/// The first word of a command, which a shell must not take for an assignment or a reserved word.
struct shell_program {
    std::string_view name;
    line_form form = line_form::readable;

    friend std::ostream& operator<<(std::ostream& out, shell_program const& program);
};

/// Writes a command as one line for a shell. The exact form requires a command that `shell_line` accepts.
void write_line(std::ostream& out, command_data const& cmd, line_form form);

} // namespace brood::detail

#endif
