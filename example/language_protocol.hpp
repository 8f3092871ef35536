// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// The base of the Language Server Protocol: JSON-RPC 2.0 messages to and from a child, and what they contain.
#ifndef BROOD_EXAMPLE_LANGUAGE_PROTOCOL_HPP
#define BROOD_EXAMPLE_LANGUAGE_PROTOCOL_HPP

#include <brood.hpp>

#include <boost/algorithm/hex.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <boost/regex.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace asio = boost::asio;
namespace json = boost::json;

inline std::string to_text(json::value const& text) { return json::value_to<std::string>(text); }

inline std::string to_uri(std::string const& path)
{
    auto const encode = [](boost::smatch const& byte) { return '%' + boost::algorithm::hex(byte.str()); };
    return "file://" + regex_replace(path, boost::regex("[^A-Za-z0-9/._~-]"), encode);
}

inline std::string to_path(std::string const& uri)
{
    auto const decode = [](boost::smatch const& byte) { return boost::algorithm::unhex(byte.str(1)); };
    return regex_replace(uri, boost::regex("^file://|%([[:xdigit:]]{2})"), decode);
}

// Line and column of the first character. The protocol counts both from 0.
inline std::string begin_of(json::value const& range)
{
    auto const count = [&](char const* key) { return json::value_to<std::uint32_t>(range.at("start").at(key)) + 1; };
    return std::to_string(count("line")) + ':' + std::to_string(count("character"));
}

/// A child that exchanges messages on its standard input and output. All its standard streams are `piped()`.
class message_child {
public:
    /// Calls the handler with each message. A malformed message, an error response or an exception of the handler stops
    /// the child.
    message_child(brood::child child, std::function<void(json::object const&)> handler)
        : child_(std::move(child)),
          handler_(std::move(handler)),
          in_(std::move(child_.in())),
          outbox_(in_.get_executor(), SIZE_MAX),
          deadline_(in_.get_executor(), brood::duration::max())
    {}

    /// Queues a message.
    void send(json::object message)
    {
        message["jsonrpc"] = "2.0";
        auto const body = json::serialize(message);
        outbox_.try_send(brood::error_code(), "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }

    /// Stops the child after this time. A later call replaces the time.
    void set_timeout(brood::duration time) { deadline_.expires_after(time); }

    /// Exchanges messages until the child has ended. Returns why it was stopped, if it was, and its exit status.
    asio::awaitable<std::string> run()
    {
        using namespace asio::experimental::awaitable_operators;
        co_await (read_outputs() || watch_deadline() || write_outbox());
        co_return failure_ + to_string(status_);
    }

private:
    // Completes when the child has ended. A cancellation stops the child.
    asio::awaitable<void> read_outputs()
    {
        auto const on_out = [this](std::string_view piece) { read(piece); };
        auto const on_err = [](std::string_view line) { std::cerr << "server: " + std::string(line) + '\n'; };
        auto options = brood::output_options().on_out(on_out).on_err_line(on_err);
        auto const [error, output] = co_await child_.async_output(std::move(options), asio::as_tuple(asio::deferred));
        status_ = output.status;
    }

    asio::awaitable<void> watch_deadline()
    {
        while (std::chrono::steady_clock::now() < deadline_.expiry())
            (void)co_await deadline_.async_wait(brood::as_result);
        if (failure_.empty())
            failure_ = "timed out; ";
    }

    asio::awaitable<void> write_outbox()
    {
        for (;;) {
            auto const message = co_await outbox_.async_receive(asio::use_awaitable);
            co_await asio::async_write(in_, asio::buffer(message), asio::use_awaitable);
        }
    }

    void read(std::string_view piece)
    try {
        if (failure_.empty())
            handle_complete_messages(input_ += piece);
    } catch (std::exception const& error) {
        failure_ = error.what() + std::string("; ");
        deadline_.expires_at({}); // stops the child
    }

    void handle_complete_messages(std::string& input)
    {
        // Lines of the form `name: value`, in any order, and an empty line.
        static boost::regex const format(
            R"(([^:\r\n]+:[^\r\n]*\r\n)*content-length:[ \t]*(\d{1,8})[ \t]*\r\n([^:\r\n]+:[^\r\n]*\r\n)*\r\n)",
            boost::regex::icase);
        boost::smatch header;
        while (regex_search(input, header, format, boost::match_continuous)) {
            auto const begin = header.str().size(), size = std::stoul(header.str(2));
            if (input.size() < begin + size)
                return;
            auto const message = parse(input.substr(begin, size));
            input.erase(0, begin + size);
            if (auto const* const error = message.if_contains("error"))
                throw std::runtime_error(to_text(error->at("message")));
            handler_(message);
        }
        if (input.size() > longest_header || input.find("\r\n\r\n") != input.npos)
            throw std::runtime_error("invalid header: " + json::serialize(input.substr(0, 80)));
    }

    static json::object parse(std::string const& text)
    {
        json::parse_options deep;
        deep.max_depth = 1000;
        brood::error_code invalid;
        auto const message = json::parse(text, invalid, {}, deep);
        if (invalid.failed() || !message.is_object())
            throw std::runtime_error("invalid message: " + json::serialize(text.substr(0, 80)));
        return message.get_object();
    }

    static constexpr std::size_t longest_header = 4096;

    brood::child child_;
    std::function<void(json::object const&)> handler_;
    brood::pipe_writer in_;
    asio::experimental::channel<void(brood::error_code, std::string)> outbox_;
    asio::steady_timer deadline_;
    std::string input_; // starts with a header
    std::string failure_;
    brood::exit_status status_;
};

#endif
