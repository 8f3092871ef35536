// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_RUNNING_OUTPUT_HPP
#define BROOD_TEST_SUPPORT_RUNNING_OUTPUT_HPP

#include "os/descriptors.hpp"
#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <utility>

#include <unistd.h>

namespace test {

/// One operation on a context of its own, which leaves no child.
template <class Value>
class running {
public:
    /// What the operation completes with.
    auto handler()
    {
        return asio::bind_cancellation_slot(cancel_.slot(), [this](brood::error_code ec, Value value) {
            done = true;
            error = ec;
            told = std::move(value);
            CHECK_FALSE(has_children());
        });
    }

    /// Cancels, and lets the operation do at once what it can.
    void cancel(asio::cancellation_type type = asio::cancellation_type::terminal)
    {
        cancel_.emit(type);
        CHECK_FALSE(done);
        context.poll();
    }

    void finish()
    {
        context.restart();
        context.run_for(60s);
        REQUIRE(done);
    }

    asio::io_context context;
    bool done = false;
    brood::error_code error;
    Value told;

private:
    asio::cancellation_signal cancel_;
};

/// One `async_output` of a command, or of a pipeline.
template <class Value>
class running_output_of : public running<Value> {
public:
    template <class What>
    explicit running_output_of(What what, brood::output_options options = {})
    {
        brood::async_output(this->context, std::move(what), std::move(options), this->handler());
        CHECK_FALSE(this->done);
    }

    running_output_of& finish()
    {
        running<Value>::finish();
        return *this;
    }
};

using running_output = running_output_of<brood::output>;
using running_pipeline_output = running_output_of<brood::pipeline_output>;

/// Where a child tells of itself beside its output, on its descriptor 3: `probe(w, "--to=3", ...)`.
class side_channel {
public:
    side_channel() : ends_(brood::os::make_pipe().value()) {}

    brood::stdio child_end() const { return brood::stdio::fd(ends_.second.get()); }

    /// Waits for a line.
    std::string line()
    {
        return line_after([] {});
    }

    /// The same while the loop runs, which it must for a child that is started there.
    std::string line(asio::io_context& context)
    {
        return line_after([&] {
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
    std::string line_after(Wait wait)
    {
        ends_.second.reset(); // or a child that has gone would be waited for
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
