// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_SIDE_CHANNEL_HPP
#define BROOD_TEST_SUPPORT_SIDE_CHANNEL_HPP

#include "os/descriptors.hpp"
#include "support/support.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <string>

#include <unistd.h>

namespace test {

/// A pipe on descriptor 3 of a child: `probe(config, "--to=3", ...).fd(3, side.child_end())`. The child reports there,
/// apart from its standard output.
class side_channel {
public:
    side_channel() : ends_(brood::os::make_pipe().value()) {}

    brood::stdio child_end() const { return brood::stdio::fd(ends_.second.get()); }

    /// Blocks until the child has written a line. Returns an empty string at the end of the pipe.
    std::string line()
    {
        return read_line_with([] {});
    }

    /// Runs the context until the child has written a line. Required if the context starts the child.
    std::string line(asio::io_context& context)
    {
        return read_line_with([&] {
            asio::posix::stream_descriptor source(context, ::dup(ends_.first.get()));
            bool readable = false;
            source.async_wait(source.wait_read, [&](brood::error_code) { readable = true; });
            context.restart();
            while (!readable && context.run_one_for(60s) > 0) {}
            REQUIRE(readable);
        });
    }

private:
    template <class Wait>
    std::string read_line_with(Wait wait)
    {
        ends_.second.reset(); // else the pipe would not end with the child
        std::string text;
        char c;
        for (wait(); ::read(ends_.first.get(), &c, 1) == 1 && c != '\n'; wait())
            text += c;
        return text;
    }

    brood::os::fd_pair ends_;
};

} // namespace test

#endif
