// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// lines: runs a command and shows its output line by line with line numbers: lines make -j4
#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <string>
#include <string_view>

namespace {

constexpr std::size_t max_length = 4096; // longer lines are shown in pieces

/// Shows text with line numbers. Unlike `on_out_line`, it shows where a line has no end.
class line_printer {
public:
    void add(std::string_view text)
    {
        for (char c : text)
            if (c == '\n')
                show();
            else if ((line_ += c).size() == max_length)
                show(" [continued]");
    }

    void finish()
    {
        if (!line_.empty())
            show(" [no newline]");
    }

private:
    void show(char const* remark = "")
    {
        std::cout << ++number_ << ": " << line_ << remark << std::endl; // flushes, so that each line is visible at once
        line_.clear();
    }

    int number_ = 0;
    std::string line_;
};

} // namespace

int main(int argc, char** argv)
try {
    if (argc < 2) {
        std::cerr << "Usage: lines command [argument...]\n";
        return 2;
    }
    brood::command cmd(argv[1], {argv + 2, argv + argc});
    cmd.in(brood::stdio::inherit()).err(brood::stdio::same_as(1));
    line_printer lines;
    auto const options = brood::output_options()
                             .on_out([&](std::string_view text) { lines.add(text); })
                             .drain_grace(brood::duration::max()); // follows descendants that hold the output open
    boost::asio::io_context loop{1};
    int exit_code = 1;
    brood::async_output(loop, cmd, options, [&](brood::error_code error, brood::output const& result) {
        lines.finish();
        if (error.failed())
            std::cerr << "lines: " << describe(cmd, error) << '\n';
        else if (!result.status.success())
            std::cerr << "lines: " << cmd.program() << ": " << result.status << '\n';
        exit_code = error.failed() ? 1 : result.status.shell_code();
    });
    loop.run();
    return exit_code;
} catch (std::exception const& error) {
    std::cerr << "lines: " << error.what() << '\n';
    return 1;
}
