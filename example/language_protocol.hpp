// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_LANGUAGE_PROTOCOL_HPP
#define BROOD_EXAMPLE_LANGUAGE_PROTOCOL_HPP

#include <brood.hpp>

#include <boost/algorithm/hex.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>
#include <boost/regex.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
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

/// Line and column of the first character. The protocol counts both from 0.
inline std::string begin_of(json::value const& range)
{
    auto const count = [&](char const* key) { return json::value_to<std::uint32_t>(range.at("start").at(key)) + 1; };
    return std::to_string(count("line")) + ':' + std::to_string(count("character"));
}

/// Exchanges JSON-RPC 2.0 messages with a child through its standard input and output, which are `piped()`.
/**
 * A malformed message and an error that the server reports are exceptions.
 */
class language_server {
public:
    /// Calls the handler with each notification.
    language_server(brood::child child, brood::duration timeout, std::function<void(json::object const&)> handler)
        : child_(std::move(child)),
          timeout_(timeout),
          handler_(std::move(handler)),
          queue_(child_.get_executor(), SIZE_MAX),
          deadline_(child_.get_executor(), brood::duration::max())
    {}

    brood::child& child() { return child_; }
    std::string const& last_method() const { return last_method_; }

    /// Writes what `notify` and `request` queue. Completes when nothing has been queued within the timeout.
    asio::awaitable<void> write_queue()
    {
        using namespace asio::experimental::awaitable_operators;
        co_await (write_for_ever() || watch_deadline());
    }

    void notify(std::string const& method, json::object params)
    {
        call({{"method", method}, {"params", std::move(params)}});
    }

    /// Sends a request and receives messages until the answer has arrived.
    asio::awaitable<json::value> request(std::string const& method, json::object params)
    {
        call({{"id", ++last_id_}, {"method", method}, {"params", std::move(params)}});
        answer_.reset();
        while (!answer_)
            co_await receive();
        co_return *answer_;
    }

    /// Receives a message. A request of the server is refused.
    asio::awaitable<void> receive()
    {
        auto const message = co_await read();
        if (auto const* const error = message.if_contains("error"))
            throw std::runtime_error(to_text(error->at("message")));
        if (!message.contains("id"))
            handler_(message);
        else if (message.contains("method"))
            queue({{"id", message.at("id")}, {"error", {{"code", -32601}, {"message", "unknown method"}}}});
        else if (message.at("id") == last_id_)
            answer_ = message.at("result");
    }

private:
    void call(json::object message)
    {
        last_method_ = to_text(message.at("method"));
        deadline_.expires_after(timeout_);
        queue(std::move(message));
    }

    void queue(json::object message)
    {
        message["jsonrpc"] = "2.0";
        auto const body = json::serialize(message);
        queue_.try_send(brood::error_code(), "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    }

    // Runs beside the reading: the server may read nothing until something has been read from it.
    asio::awaitable<void> write_for_ever()
    {
        for (;;) {
            auto const message = co_await queue_.async_receive(asio::use_awaitable);
            co_await asio::async_write(child_.in(), asio::buffer(message), asio::use_awaitable);
        }
    }

    asio::awaitable<void> watch_deadline()
    {
        while (std::chrono::steady_clock::now() < deadline_.expiry())
            (void)co_await deadline_.async_wait(brood::as_result);
    }

    asio::awaitable<json::object> read()
    {
        // Lines of the form `name: value`, in any order, and an empty line.
        static boost::regex const format(
            R"(([^:\r\n]+:[^\r\n]*\r\n)*content-length:[ \t]*(\d{1,8})[ \t]*\r\n([^:\r\n]+:[^\r\n]*\r\n)*\r\n)",
            boost::regex::icase);
        constexpr std::size_t longest_header = 4096;
        auto const [error, header_size] = co_await asio::async_read_until(
            child_.out(), asio::dynamic_buffer(input_, longest_header), "\r\n\r\n",
            asio::as_tuple(asio::use_awaitable));
        if (error.failed() && error != asio::error::not_found)
            throw boost::system::system_error(error);
        boost::smatch header;
        if (!regex_search(input_, header, format, boost::match_continuous))
            throw std::runtime_error("invalid header: " + json::serialize(input_.substr(0, 80)));
        auto const size = std::stoul(header.str(2));
        input_.erase(0, header_size);
        if (auto const have = input_.size(); have < size)
            co_await asio::async_read(
                child_.out(), asio::dynamic_buffer(input_), asio::transfer_exactly(size - have), asio::use_awaitable);
        auto const body = input_.substr(0, size);
        input_.erase(0, size);
        json::parse_options deep;
        deep.max_depth = 1000;
        brood::error_code invalid;
        auto const message = json::parse(body, invalid, {}, deep);
        if (invalid.failed() || !message.is_object())
            throw std::runtime_error("invalid message: " + json::serialize(body.substr(0, 80)));
        co_return message.get_object();
    }

    brood::child child_;
    brood::duration timeout_;
    std::function<void(json::object const&)> handler_;
    asio::experimental::channel<void(brood::error_code, std::string)> queue_;
    asio::steady_timer deadline_;
    std::string input_; // starts with a header
    std::string last_method_;
    int last_id_ = 0;
    std::optional<json::value> answer_;
};

#endif
