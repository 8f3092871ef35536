// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <chrono>
#include <iostream>
#include <string>

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

//! [beast]
// Answers a request with what a program prints. The body of the request is its input.
asio::awaitable<void> answer(tcp::socket connection)
{
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    co_await http::async_read(connection, buffer, request, asio::use_awaitable);

    auto options = brood::output_options().input(request.body()).timeout(10s).limit(1 << 20);
    auto [error, sorted] = co_await brood::async_output(
        connection.get_executor(), brood::command("sort"), options, asio::as_tuple(asio::deferred));

    http::response<http::string_body> response(http::status::ok, request.version());
    if (error || !sorted.status.success())
        response.result(http::status::bad_gateway);
    else
        response.body() = sorted.out;
    response.prepare_payload();
    co_await http::async_write(connection, response, asio::use_awaitable);
}
//! [beast]

asio::awaitable<void> serve_one(tcp::acceptor& acceptor)
{
    co_await answer(co_await acceptor.async_accept(asio::use_awaitable));
}

asio::awaitable<void> ask(tcp::endpoint server)
{
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(server, asio::use_awaitable);
    http::request<http::string_body> request(http::verb::post, "/", 11, "b\na\n");
    request.prepare_payload();
    co_await http::async_write(socket, request, asio::use_awaitable);
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
    co_await http::async_read(socket, buffer, response, asio::use_awaitable);
    std::cout << response.result_int() << '\n' << response.body();
}

} // namespace

int main()
{
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::co_spawn(context, serve_one(acceptor), asio::detached);
    asio::co_spawn(context, ask(acceptor.local_endpoint()), asio::detached);
    context.run();
}
