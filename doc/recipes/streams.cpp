// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

namespace asio = boost::asio;
using namespace boost::asio::experimental::awaitable_operators;

namespace {

//! [stream]
asio::awaitable<void> send(brood::child& child, std::string const& data)
{
    co_await asio::async_write(child.in(), asio::buffer(data), asio::use_awaitable);
    child.in().close(); // the child reads end of file
}

asio::awaitable<std::size_t> receive(brood::child& child)
{
    std::array<char, 65536> piece;
    std::size_t total = 0;
    for (;;) {
        auto [error, size] =
            co_await child.out().async_read_some(asio::buffer(piece), asio::as_tuple(asio::use_awaitable));
        total += size; // use std::string_view(piece.data(), size) here
        if (error == asio::error::eof)
            co_return total;
        if (error)
            throw boost::system::system_error(error);
    }
}

// The child is read while it is fed: otherwise both would wait for each other once the pipes are full.
asio::awaitable<std::size_t> filter(brood::command command, std::string data)
{
    command.in(brood::stdio::piped()).out(brood::stdio::piped());
    brood::child child = co_await brood::async_spawn(co_await asio::this_coro::executor, command);
    std::size_t size = co_await (send(child, data) && receive(child));
    brood::exit_status status = co_await child.async_wait();
    status.check().value(); // throws if the filter has failed
    co_return size;
}
//! [stream]

//! [tee]
asio::awaitable<std::string> run_and_show(brood::command command)
{
    std::string log;
    auto options = brood::output_options().on_out([&log](std::string_view piece) {
        std::cout << piece << std::flush;
        log += piece;
    });
    command.err(brood::stdio::same_as(1)); // both streams, in the order in which they were written
    co_await brood::async_output(co_await asio::this_coro::executor, command, options);
    co_return log;
}
//! [tee]

//! [connect]
asio::awaitable<std::string> connect(brood::command producer, brood::command consumer)
{
    auto executor = co_await asio::this_coro::executor;
    brood::child first = co_await brood::async_spawn(executor, producer.out(brood::stdio::piped()));
    consumer.in(brood::stdio::from(std::move(first.out()))); // no byte passes through this process
    brood::output last = co_await brood::async_output(executor, consumer);
    co_await first.async_wait();
    co_return last.out;
}
//! [connect]

asio::awaitable<void> run_all()
{
    std::cout << co_await filter(brood::command("tr", "a", "b"), std::string(1 << 20, 'a')) << " bytes\n";
    std::string log = co_await run_and_show(brood::command::shell("echo one; echo two >&2"));
    std::cout << "kept " << log.size() << " bytes\n";
    std::cout << co_await connect(brood::command("echo", "through a pipe"), brood::command("cat"));
}

} // namespace

int main()
{
    asio::io_context context;
    asio::co_spawn(context, run_all(), asio::detached);
    context.run();
}
