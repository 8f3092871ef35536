// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_RUNNING_OPERATION_HPP
#define BROOD_TEST_SUPPORT_RUNNING_OPERATION_HPP

#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <utility>

namespace test {

/// An operation on a context of its own. It must complete after all its children have been reaped.
template <class Value>
class running_operation {
public:
    /// The completion handler of the operation.
    auto handler()
    {
        return asio::bind_cancellation_slot(cancel_.slot(), [this](brood::error_code ec, Value value) {
            done = true;
            error = ec;
            result = std::move(value);
            CHECK_FALSE(has_children());
        });
    }

    /// Cancels the operation and runs the handlers that are ready.
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
    Value result;

private:
    asio::cancellation_signal cancel_;
};

/// The `async_output` of a command or of a pipeline.
template <class Value>
class running_output_of : public running_operation<Value> {
public:
    template <class CommandOrPipeline>
    explicit running_output_of(CommandOrPipeline target, brood::output_options options = {})
    {
        brood::async_output(this->context, std::move(target), std::move(options), this->handler());
        CHECK_FALSE(this->done);
    }

    running_output_of& finish()
    {
        running_operation<Value>::finish();
        return *this;
    }
};

using running_output = running_output_of<brood::output>;
using running_pipeline_output = running_output_of<brood::pipeline_output>;

} // namespace test

#endif
