// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// web_terminal: runs a command or the user's shell on a terminal in a web page: web_terminal --port 8080 top
#include "options.hpp"
#include "signals.hpp"

#include <brood.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/beast.hpp>
#include <boost/lexical_cast.hpp>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <set>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using page_stream = websocket::stream<beast::tcp_stream>;
using request_type = http::request<http::empty_body>;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
constexpr auto as_tuple = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t max_unshown = 1 << 18, max_typed = 1 << 20; // bytes
constexpr char const* usage =
    "Usage: web_terminal [options] [command [argument...]]\n\n"
    "Runs the command on a terminal in a web page, once for each page. When the page is closed, the command is\n"
    "hung up (SIGHUP), and all that it has started ends. All users of this machine can use it.\n\nOptions";

/// A page and the child on its terminal.
struct session {
    page_stream page;
    brood::child child;
    asio::steady_timer changed{page.get_executor(), asio::steady_timer::time_point::max()}; // cancelled by a change
    std::string typed{};     // not yet written to the terminal
    std::size_t unshown = 0; // bytes that the page has not shown yet

    /// The kernel sends SIGHUP to the child.
    void hang_up()
    {
        child.terminal().close();
        changed.cancel();
    }

    /// Waits for the end of a child that has no terminal any more. If it ignores SIGHUP, it is killed.
    auto async_end() { return child.async_stop(brood::stop_plan(0, 5s), as_tuple); }

    asio::awaitable<void> receive()
    {
        for (beast::flat_buffer buffer;; buffer.clear()) {
            co_await page.async_read(buffer, asio::use_awaitable);
            auto const message = beast::buffers_to_string(buffer.data());
            brood::terminal_size size;
            std::size_t shown = 0;
            if (page.got_binary() && typed.size() < max_typed) // beyond that keys are lost, as on any terminal
                typed += message;
            else if (std::sscanf(message.c_str(), "size %hu %hu", &size.rows, &size.columns) == 2)
                (void)child.resize_terminal(size);
            else if (std::sscanf(message.c_str(), "shown %zu", &shown) == 1)
                unshown -= std::min(unshown, shown);
            changed.cancel();
        }
    }

    /// Writes the keys to the terminal. A child that does not read them does not delay `receive`.
    asio::awaitable<void> type()
    {
        for (std::string keys;; keys = std::exchange(typed, {}))
            if (keys.empty())
                co_await changed.async_wait(as_tuple);
            else
                co_await asio::async_write(child.terminal(), asio::buffer(keys), as_tuple);
    }

    /// Sends the output, no faster than the page shows it, then the exit status.
    asio::awaitable<void> show()
    {
        for (std::vector<char> buffer(16384);;) {
            while (unshown > max_unshown && child.terminal().is_open())
                co_await changed.async_wait(as_tuple);
            auto const [error, size] = co_await child.terminal().async_read_some(asio::buffer(buffer), as_tuple);
            if (error.failed())
                break;
            unshown += size;
            co_await page.async_write(asio::buffer(buffer.data(), size), asio::use_awaitable);
        }
        auto const [error, status] = co_await async_end();
        websocket::close_reason const reason(to_string(status));
        co_await page.async_close(reason, asio::use_awaitable);
    }
};

struct server {
    brood::command cmd;
    std::string page;
    std::set<session*> sessions{};
    bool stopping = false;
    asio::io_context loop{1}; // destroyed first, with the sessions

    /// Runs until a signal and the end of the sessions, or until a second signal, which kills the children.
    void run(std::string const& address, unsigned short port)
    {
        asio::ip::tcp::acceptor acceptor(loop, {asio::ip::make_address(address), port});
        asio::co_spawn(loop, accept(acceptor), rethrow);
        asio::signal_set signals(loop);
        add_stop_signals(signals);
        signals.async_wait([&](brood::error_code, int) {
            stopping = true;
            for (auto* session : sessions)
                session->hang_up();
            sessions.empty() ? loop.stop() : signals.async_wait([&](brood::error_code, int) { loop.stop(); });
        });
        std::cerr << "web_terminal: listening on http://" << acceptor.local_endpoint() << "/\n";
        loop.run();
    }

    asio::awaitable<void> accept(asio::ip::tcp::acceptor& acceptor)
    {
        for (;;)
            if (auto [error, socket] = co_await acceptor.async_accept(as_tuple); !error.failed())
                asio::co_spawn(loop, answer(beast::tcp_stream(std::move(socket))), [](std::exception_ptr) {});
            else // too many open files, for example
                co_await asio::steady_timer(loop, 100ms).async_wait(as_tuple);
    }

    asio::awaitable<void> answer(beast::tcp_stream stream)
    {
        request_type request;
        beast::flat_buffer buffer;
        stream.expires_after(30s);
        co_await http::async_read(stream, buffer, request, asio::use_awaitable);
        // Origin is the site of the page that makes the request. A site can give its own name this server's address.
        std::string const host(request[http::field::host]);
        auto const own = boost::lexical_cast<std::string>(stream.socket().local_endpoint());
        bool const is_own_name = host == own || host == "localhost" + own.substr(own.rfind(':'));
        bool const is_upgrade = websocket::is_upgrade(request);
        if (is_upgrade && is_own_name && request[http::field::origin] == "http://" + host)
            co_return co_await open_terminal(page_stream(std::move(stream)), request);
        auto const status = is_upgrade || !is_own_name ? http::status::forbidden : http::status::ok;
        http::response<http::string_body> response(status, 10, status == http::status::ok ? page : "forbidden\n");
        response.set(http::field::content_type, "text/html");
        response.set("Content-Security-Policy", "frame-ancestors 'none'"); // no other site gets keys and clicks
        response.prepare_payload();
        co_await http::async_write(stream, response, asio::use_awaitable);
    }

    asio::awaitable<void> open_terminal(page_stream web_page, request_type const& request)
    {
        web_page.next_layer().expires_never();
        web_page.set_option(websocket::stream_base::timeout{5s, 60s, true}); // pings an idle page
        co_await web_page.async_accept(request, asio::use_awaitable);
        web_page.binary(true);
        auto [error, child] = co_await brood::async_spawn(loop, cmd, as_tuple);
        if (error.failed()) {
            websocket::close_reason const reason(describe(cmd, error).substr(0, 123)); // the protocol's limit
            co_return co_await web_page.async_close(reason, asio::use_awaitable);
        }
        session opened{std::move(web_page), std::move(child)};
        sessions.insert(&opened);
        if (stopping)
            opened.hang_up();
        co_await asio::co_spawn(loop, opened.receive() && opened.type() && opened.show(), as_tuple); // the page is gone
        opened.hang_up();
        auto const [ignored, status] = co_await opened.async_end();
        std::cerr << "web_terminal: " << opened.child.id() << ": " << status << '\n';
        sessions.erase(&opened);
        if (stopping && sessions.empty())
            loop.stop();
    }
};

} // namespace

int main(int argc, char** argv)
{
    return run_program("web_terminal", [&] {
        po::options_description known(usage);
        std::string address = "127.0.0.1";
        unsigned short port = 8080;
        auto add = known.add_options();
        add("address", po::value(&address)->default_value(address), "the address to listen on");
        add("port", po::value(&port)->default_value(port), "the port to listen on; 0: any, which is printed");
        auto words = parse_options(argc, argv, known);
        if (char const* shell = std::getenv("SHELL"); words.empty())
            words.push_back(shell ? shell : "/bin/sh");
        auto const cmd = split_commands(words).front().env("TERM", "xterm-256color").terminal().contained();
        std::ifstream page(argv[0] + std::string("_page/web_terminal.html")); // written by the build
        if (!page)
            throw po::error("the page is not beside the program");
        server{cmd, {std::istreambuf_iterator(page), {}}}.run(address, port);
        return 0;
    });
}
