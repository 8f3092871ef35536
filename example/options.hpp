// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_OPTIONS_HPP
#define BROOD_EXAMPLE_OPTIONS_HPP

#include <brood/command.hpp>

#include <boost/program_options.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

namespace po = boost::program_options;

/// The first word that is neither an option nor a value of one.
inline auto find_command(std::vector<std::string> const& words, po::options_description const& known)
{
    auto word = words.begin();
    while (word != words.end() && word->size() > 1 && word->starts_with('-') && *word != "--") {
        bool const is_long = word->starts_with("--");
        bool const is_whole = is_long ? word->find('=') == word->npos : word->size() == 2;
        auto const* option = is_whole ? known.find_nothrow(is_long ? word->substr(2) : *word, true) : nullptr;
        std::ptrdiff_t const values = option ? option->semantic()->max_tokens() : 0;
        word += std::min(1 + values, words.end() - word);
    }
    return word;
}

/// The value of an option that takes several words, and may be repeated.
class words_value : public po::typed_value<std::vector<std::string>> {
public:
    words_value(std::vector<std::string>* words, unsigned count) : typed_value(words), count_(count) {}
    unsigned min_tokens() const override { return count_; }
    unsigned max_tokens() const override { return count_; }

private:
    unsigned count_;
};

/// Parses the options before the command. Returns the words from the command on.
inline std::vector<std::string> parse_options(int argc, char** argv, po::options_description& known)
{
    known.add_options()("help,h", "show this");
    // Program_options also looks for options after the first word, but these words belong to the command.
    std::vector<std::string> const words(argv + 1, argv + argc);
    auto command = find_command(words, known);
    po::variables_map values;
    po::store(po::command_line_parser(std::vector<std::string>(words.begin(), command)).options(known).run(), values);
    if (values.count("help")) {
        std::cout << known;
        std::exit(0);
    }
    po::notify(values);
    if (command != words.end() && *command == "--")
        ++command;
    return {command, words.end()};
}

/// Splits words into commands, which are separated by `:::`.
inline std::vector<brood::command> split_commands(std::vector<std::string> const& words)
{
    std::vector<brood::command> commands;
    for (auto begin = words.begin();; ++begin) {
        auto const end = std::find(begin, words.end(), ":::");
        if (begin == end)
            throw po::error("no command; try --help");
        commands.emplace_back(*begin, std::vector<std::string>(begin + 1, end));
        if (begin = end; end == words.end())
            return commands;
    }
}

/// The completion handler of a coroutine whose exceptions leave the event loop.
inline void rethrow(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure);
}

/// Runs the program and returns its exit code. Exceptions are printed; the exit code is 2 for a usage error, else 1.
template <class Program>
int run_program(char const* name, Program program)
try {
    return program();
} catch (po::error const& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return 2;
} catch (std::exception const& error) {
    std::cerr << name << ": " << error.what() << '\n';
    return 1;
}

#endif
