// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_CGI_CONNECTION_HPP
#define BROOD_EXAMPLE_CGI_CONNECTION_HPP

#include "cgi_protocol.hpp"

#include <brood/error.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <memory>
#include <sstream>
#include <string_view>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace fs = std::filesystem;
using asio::ip::tcp;
using std::chrono::seconds;

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t piece_size = 65536;

inline std::string format_time(char const* format)
{
    char text[64];
    auto const now = std::time(nullptr);
    return {text, std::strftime(text, sizeof text, format, std::gmtime(&now))};
}

/// Escapes quotes and what is not printable ASCII. The log contains text from clients and programs.
inline std::string escape(std::string const& text)
{
    auto const to_hex = [](boost::smatch const& byte) { return "\\x" + boost::algorithm::hex_lower(byte.str()); };
    return regex_replace(text, boost::regex("[^ !#-~]"), to_hex);
}

inline std::string to_chunk(std::string const& piece)
{
    char size[20];
    std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
    return size + piece + "\r\n";
}

/// What is going on.
struct activity {
    unsigned requests = 0, scripts = 0; // a request counts until its response and its script have ended
    bool stopping = false;
    asio::io_context loop{1}; // destroyed first, with the requests
};

/// A request. When the response and the script have ended, it is destroyed and written to the access log.
struct log_entry {
    activity& now;
    std::string client, request;
    unsigned status = 0;
    std::uint64_t sent = 0;
    std::string script = "";

    ~log_entry()
    {
        std::cout << client + format_time(" - - [%d/%b/%Y:%T +0000] \"") + escape(request) + "\" " << status << ' '
                  << sent << script << std::endl;
        if (--now.requests == 0 && now.stopping)
            now.loop.stop();
    }
};

/// A client's connection, and the request that it answers.
struct http_connection {
    activity& now;
    std::string const client;
    seconds const idle; // for the client to send or receive a piece
    beast::tcp_stream stream;
    beast::flat_buffer buffer{};
    // Of the request:
    std::optional<http::request_parser<http::buffer_body>> parser{};
    std::shared_ptr<log_entry> entry{};
    bool keep_alive = true;

    auto const& request() const { return parser->get(); }
    std::string field(http::field name) const { return std::string(request()[name]); }
    bool is_head() const { return request().method() == http::verb::head; }
    void extend_time() { stream.expires_after(idle); }

    asio::awaitable<void> send_file(std::string path)
    {
        if (!is_head() && request().method() != http::verb::get)
            co_return co_await refuse(http::status::method_not_allowed, http::field::allow, "GET, HEAD");
        path += path.ends_with('/') ? "index.html" : "";
        std::error_code ignored;
        std::ifstream file;
        if (fs::is_regular_file(path, ignored))
            file.open(path, std::ios::binary);
        if (!file.is_open())
            co_return co_await refuse(http::status::not_found);
        auto left = fs::file_size(path, ignored);
        auto const suffix = fs::path(path).extension();
        auto const* const type = suffix == ".html"  ? "text/html; charset=utf-8"
                                 : suffix == ".css" ? "text/css"
                                 : suffix == ".txt" ? "text/plain; charset=utf-8"
                                                    : "application/octet-stream";
        http::response<http::empty_body> response(http::status::ok, 11);
        response.set(http::field::content_type, type);
        response.content_length(left);
        auto piece = begin(response);
        for (left = is_head() ? 0 : left; co_await write(piece) && left > 0 && !piece.empty(); left -= piece.size()) {
            piece.resize(std::min<std::uintmax_t>(left, piece_size));
            file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
            piece.resize(static_cast<std::size_t>(file.gcount()));
        }
        keep_alive = keep_alive && left == 0;
    }

    /// A response of the server itself.
    asio::awaitable<void>
    refuse(http::status status, http::field name = http::field::content_type, char const* value = "text/plain")
    {
        auto const text = std::to_string(static_cast<int>(status)) + ' ' + std::string(obsolete_reason(status)) + '\n';
        http::response<http::empty_body> response(status, 11);
        response.set(http::field::content_type, "text/plain");
        response.set(name, value);
        response.content_length(text.size());
        auto const message = begin(response) + (is_head() ? "" : text);
        co_await write(message);
    }

    /// Completes a header, and returns it as text.
    std::string begin(http::response<http::empty_body>& response, bool is_chunked = false)
    {
        for (auto const* name : {"Status", "Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"})
            response.erase(name); // a script does not decide about the connection
        keep_alive = keep_alive && parser->is_done() && !now.stopping;
        response.version(request().version());
        response.keep_alive(keep_alive);
        if (is_chunked)
            response.chunked(true);
        response.set(http::field::server, "cgi_server");
        response.set(http::field::date, format_time("%a, %d %b %Y %T GMT"));
        entry->status = response.result_int();
        std::ostringstream text;
        text << response.base();
        return text.str();
    }

    /// Returns whether the write has succeeded.
    asio::awaitable<bool> write(std::string_view text)
    {
        extend_time();
        auto const [error, size] = co_await asio::async_write(stream, asio::buffer(text), token);
        entry->sent += size;
        keep_alive = keep_alive && !error.failed();
        co_return !error.failed();
    }
};

#endif
