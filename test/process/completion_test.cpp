// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/completion.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>

using namespace brood::detail;
using brood::error_code;

namespace {

using text_completion = basic_completion<std::string>;

error_code const busy = std::make_error_code(std::errc::device_or_resource_busy);

struct received {
    std::optional<error_code> error;
    std::string text;

    auto handler()
    {
        return [this](error_code ec, std::string value) {
            error = ec;
            text = std::move(value);
        };
    }
};

} // namespace

TEST_SUITE_BEGIN("completion");

TEST_CASE("completion: post calls the handler when the context runs, with the error and the values")
{
    asio::io_context context;
    received call;
    text_completion completion(call.handler(), context.get_executor());
    asio::post(context, [&] {
        completion.post(busy, "text");
        CHECK_FALSE(call.error); // also on a thread of the executor
    });
    context.poll();
    CHECK(call.error == busy);
    CHECK(call.text == "text");
}

TEST_CASE("completion: dispatch calls the handler at once on a thread of the executor, otherwise later")
{
    asio::io_context context;
    received inside, outside;
    text_completion first(inside.handler(), context.get_executor());
    text_completion second(outside.handler(), context.get_executor());
    second.dispatch({}, "outside");
    CHECK_FALSE(outside.error);
    asio::post(context, [&] {
        first.dispatch({}, "inside");
        CHECK(inside.text == "inside");
    });
    context.poll();
    CHECK(inside.error);
    CHECK(outside.text == "outside");
}

TEST_CASE("completion: the handler runs on its associated executor")
{
    for (bool posted : {false, true}) {
        CAPTURE(posted);
        asio::io_context operation, handler;
        received call;
        text_completion completion(asio::bind_executor(handler, call.handler()), operation.get_executor());
        if (posted)
            completion.post({}, "text");
        else
            completion.dispatch({}, "text");
        CHECK_FALSE(call.error);
        operation.poll();
        CHECK_FALSE(call.error);
        handler.poll();
        CHECK(call.error == error_code());
        CHECK(call.text == "text");
    }
}

TEST_CASE("completion: both contexts have work as long as it exists")
{
    asio::io_context operation, handler;
    received call;
    {
        text_completion const completion(asio::bind_executor(handler, call.handler()), operation.get_executor());
        operation.poll();
        handler.poll();
        CHECK_FALSE(operation.stopped());
        CHECK_FALSE(handler.stopped());
    }
    operation.poll();
    handler.poll();
    CHECK(operation.stopped());
    CHECK(handler.stopped());
    CHECK_FALSE(call.error);
}

TEST_CASE("completion: a handler bound to the operation's executor is called like one without an executor")
{
    asio::io_context context;
    asio::any_io_executor const executor = context.get_executor();
    received call;
    text_completion completion(asio::bind_executor(executor, call.handler()), executor);
    asio::post(context, [&] {
        completion.dispatch({}, "text");
        CHECK(call.error == error_code());
    });
    context.poll();
}

TEST_CASE("completion: the cancellation slot receives the signals of the handler's slot")
{
    asio::io_context context;
    asio::cancellation_signal signal;
    received call;
    text_completion const with(asio::bind_cancellation_slot(signal.slot(), call.handler()), context.get_executor());
    text_completion const without(call.handler(), context.get_executor());
    CHECK_FALSE(without.cancellation_slot().is_connected());
    REQUIRE(with.cancellation_slot().is_connected());
    auto emitted = asio::cancellation_type::none;
    with.cancellation_slot().assign([&](asio::cancellation_type type) { emitted = type; });
    signal.emit(asio::cancellation_type::partial);
    CHECK(emitted == asio::cancellation_type::partial);
}

TEST_CASE("completion: assignment takes the handler and its executor, and accepts handlers that only move")
{
    asio::io_context first, second;
    std::string calls;
    auto const add = [&](char const* name) {
        return [&calls, owned = std::make_unique<std::string>(name)](error_code, std::string const& text) {
            calls += *owned + text;
        };
    };
    {
        text_completion completion(add("first"), first.get_executor());
        completion = text_completion(add("second"), second.get_executor());
        completion.post({}, "!");
    }
    first.poll();
    CHECK(calls.empty());
    second.poll();
    CHECK(calls == "second!");
}

TEST_SUITE_END();
