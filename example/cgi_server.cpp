// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// cgi_server: a web server for files and CGI/1.1 programs (RFC 3875):
//
//     cgi_server --port 8080 /srv/www     runs the programs in /srv/www/cgi-bin
#include "cgi_script.hpp"
#include "options.hpp"

#include <brood/spawn.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/signal_set.hpp>

#include <algorithm>
#include <exception>

#include <unistd.h>

namespace {

using namespace asio::experimental::awaitable_operators;

constexpr char const* usage =
    "Usage: cgi_server [options] ROOT\n\n"
    "Serves the files below the folder ROOT over HTTP/1.1, and runs the CGI programs in ROOT/cgi-bin. The access log\n"
    "is written to standard output, the standard error of the programs to standard error. SIGTERM and SIGINT stop the\n"
    "server when the running requests have ended; a second one kills the programs.\n\nOptions";

struct options {
    std::string root, address = "127.0.0.1";
    unsigned short port = 8080;
    unsigned running = 32, time = 60, idle = 15;
    std::uint64_t output = 1024;
    std::vector<std::string> variables{};
};

/// Answers a client's requests with files and scripts.
struct connection : http_connection {
    options const& opts;

    connection(options const& all, activity& running, std::string from, tcp::socket socket)
        : http_connection{running, std::move(from), seconds(all.idle), beast::tcp_stream(std::move(socket))}, opts(all)
    {}

    asio::awaitable<void> run()
    {
        do {
            parser.emplace();
            parser->header_limit(longest_header);
            parser->body_limit(boost::none);
            extend_time();
            auto const [error, size] = co_await http::async_read_header(stream, buffer, *parser, token);
            bool const is_malformed = error.category() == make_error_code(http::error::bad_field).category();
            if (error.failed() && (!is_malformed || error == http::error::end_of_stream))
                co_return;
            keep_alive = !error.failed() && request().keep_alive();
            auto const line = std::string(request().method_string()) + ' ' + std::string(request().target());
            entry.reset(new log_entry{now, client, line});
            ++now.requests;
            auto const target = parse_target(std::string(request().target()));
            bool const has_host = request().version() == 10 || request().count(http::field::host) == 1;
            if (error == http::error::header_limit)
                co_await refuse(http::status::request_header_fields_too_large);
            else if (error.failed() || !target || !has_host)
                co_await refuse(http::status::bad_request);
            else
                co_await answer(*target);
            entry.reset();
        } while (keep_alive);
        // If the connection is closed before the request has arrived, the client may lose the response.
        brood::error_code error;
        stream.socket().shutdown(tcp::socket::shutdown_send, error);
        extend_time();
        for (std::vector<char> piece(piece_size); !error.failed() && !parser->is_done();)
            error = std::get<0>(co_await stream.async_read_some(asio::buffer(piece), token));
    }

    asio::awaitable<void> answer(request_target target, int redirects = 0)
    {
        if (!target.path.starts_with("/cgi-bin/"))
            co_return co_await send_file(opts.root + target.path);
        auto const [name, rest] = split_path(opts.root, target.path);
        auto const file = opts.root + name;
        std::error_code ignored;
        if (!fs::is_regular_file(file, ignored))
            co_return co_await refuse(http::status::not_found);
        if (::access(file.c_str(), X_OK) != 0)
            co_return co_await refuse(http::status::forbidden);
        if (now.scripts >= opts.running)
            co_return co_await refuse(http::status::service_unavailable, http::field::retry_after, "1");
        bool const has_body = redirects == 0 && (request().has_content_length() || request().chunked());
        auto cmd = make_command(*this, {opts.root, name, rest, target.query, has_body}, opts.variables);
        cmd.env("REQUEST_METHOD", redirects == 0 || is_head() ? std::string(request().method_string()) : "GET");
        auto const location = co_await run_script(cmd);
        if (auto const next = parse_target(location); next && redirects < 10)
            co_await answer(*next, redirects + 1);
        else if (!location.empty())
            co_await refuse(http::status::bad_gateway);
    }

    /// Returns the target of a local redirect, or an empty string if the response was sent.
    asio::awaitable<std::string> run_script(brood::command const& cmd)
    {
        ++now.scripts;
        auto [error, child] = co_await brood::async_spawn(stream.get_executor(), cmd, token);
        if (error.failed()) {
            --now.scripts;
            std::cerr << "cgi_server: " + escape(describe(cmd, error)) + '\n';
            co_await refuse(http::status::internal_server_error);
            co_return "";
        }
        auto const file = fs::path(cmd.program()).filename().string();
        auto const name = escape(file) + '[' + std::to_string(child.id()) + "]: ";
        std::shared_ptr<script> const running(new script{std::move(child), name});
        asio::co_spawn(stream.get_executor(), supervise(running, entry, seconds(opts.time)), rethrow);
        if (running->in.is_open() && boost::iequals(field(http::field::expect), "100-continue"))
            co_await write("HTTP/1.1 100 Continue\r\n\r\n");
        co_return co_await (respond(*running, file.starts_with("nph-")) && feed(*running));
    }

    /// Passes the body to the script. Then stops the script if the client leaves.
    asio::awaitable<void> feed(script& to)
    {
        for (std::vector<char> piece(piece_size); to.in.is_open() && !parser->is_done();) {
            auto& body = parser->get().body();
            body.data = piece.data();
            body.size = piece.size();
            extend_time();
            auto const [error, size] = co_await http::async_read_some(stream, buffer, *parser, token);
            if (error.failed() && error != http::error::need_buffer)
                co_return to.abort("incomplete request");
            auto const data = asio::buffer(piece.data(), piece.size() - body.size);
            if (auto const result = co_await asio::async_write(to.in, data, token); std::get<0>(result).failed())
                break; // the script does not read the rest
        }
        to.in.close();
        if (!to.out.is_open()) // after the response
            co_return;
        auto const [error] = co_await stream.socket().async_wait(tcp::socket::wait_read, token);
        brood::error_code closed;
        if (!error.failed() && stream.socket().available(closed) == 0)
            to.abort("client gone");
    }

    /// Passes the output to the client. Returns the target of a local redirect.
    asio::awaitable<std::string> respond(script& from, bool is_raw)
    {
        auto const location = co_await copy_output(from, is_raw);
        from.out.close();
        from.in.close();
        from.timer.cancel();
        stream.cancel(); // ends `feed`
        co_return location;
    }

    asio::awaitable<std::string> copy_output(script& from, bool is_raw)
    {
        std::string head, piece;
        std::uint64_t left = UINT64_MAX, taken = 0; // bytes to send, bytes of output
        bool has_length = false, is_chunked = false;
        if (is_raw) {
            keep_alive = false;
        } else {
            static boost::regex const end_of_header("\r?\n\r?\n");
            auto const [error, size] = co_await asio::async_read_until(
                from.out, asio::dynamic_buffer(piece, longest_header), end_of_header, token);
            auto response = parse_script_header(piece.substr(0, size));
            piece.erase(0, size);
            if (!response) {
                co_await from.wait_for_end();
                from.abort("no valid header");
                co_await refuse(from.timed_out ? http::status::gateway_timeout : http::status::bad_gateway);
                co_return "";
            }
            if (auto const location = local_redirect(*response); !location.empty())
                co_return location;
            bool const no_content = response->result_int() == 204 || response->result_int() == 304;
            if (no_content)
                response->erase(http::field::content_length);
            bool const has_body = !no_content && !is_head();
            has_length = has_body && response->has_content_length();
            is_chunked = has_body && !has_length && request().version() == 11;
            keep_alive = keep_alive && (!has_body || has_length || is_chunked);
            left = has_length ? std::stoull(std::string((*response)[http::field::content_length]))
                   : has_body ? left
                              : 0;
            head = begin(*response, is_chunked);
        }
        for (brood::error_code end; !end.failed() && from.cause.empty();) {
            piece.resize(std::min<std::uint64_t>(left, piece.size()));
            left -= has_length ? piece.size() : 0;
            if (is_chunked && !piece.empty())
                piece = to_chunk(piece);
            piece.insert(0, std::exchange(head, ""));
            if (!co_await write(piece)) {
                from.abort("client gone");
                co_return "";
            }
            piece.resize(piece_size);
            auto const [error, size] = co_await from.out.async_read_some(asio::buffer(piece), token);
            piece.resize(size);
            end = error;
            taken += size;
            if (taken > opts.output << 20)
                from.abort("output limit exceeded");
        }
        co_await from.wait_for_end();
        if (!from.cause.empty() || (has_length && left > 0))
            keep_alive = false; // the client notices the missing end
        else if (is_chunked)
            co_await write("0\r\n\r\n");
        co_return "";
    }
};

asio::awaitable<void> accept(tcp::acceptor& acceptor, options const& opts, activity& now)
{
    for (tcp::endpoint client; acceptor.is_open();) {
        auto [error, socket] = co_await acceptor.async_accept(client, token);
        if (error.failed()) { // too many open files, for example
            asio::steady_timer pause(now.loop, 100ms);
            co_await pause.async_wait(token);
            continue;
        }
        socket.set_option(tcp::no_delay(true), error);
        auto const accepted = std::make_shared<connection>(opts, now, client.address().to_string(), std::move(socket));
        asio::co_spawn(now.loop, accepted->run(), [accepted](std::exception_ptr) {});
    }
}

/// Runs until a signal and the end of the requests, or until a second signal, which kills the scripts.
void run(options const& opts)
{
    activity now;
    tcp::acceptor acceptor(now.loop, tcp::endpoint(asio::ip::make_address(opts.address), opts.port));
    asio::signal_set signals(now.loop, SIGINT, SIGTERM);
    std::cerr << "cgi_server: listening on http://" << acceptor.local_endpoint() << "/\n";
    asio::co_spawn(now.loop, accept(acceptor, opts, now), rethrow);
    signals.async_wait([&](brood::error_code, int) {
        std::cerr << "cgi_server: stopping after the running requests\n";
        now.stopping = true;
        acceptor.close();
        if (now.requests == 0)
            return now.loop.stop();
        signals.async_wait([&](brood::error_code, int) { now.loop.stop(); });
    });
    now.loop.run();
}

} // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN); // the reader of the log may end
    return run_program("cgi_server", [&] {
        po::options_description known(usage);
        options opts;
        auto add = known.add_options();
        add("address", po::value(&opts.address)->default_value(opts.address), "the address to listen on");
        add("port", po::value(&opts.port)->default_value(opts.port), "the port to listen on; 0: any, which is printed");
        add("running", po::value(&opts.running)->default_value(opts.running), "maximum number of running programs");
        add("time", po::value(&opts.time)->default_value(opts.time), "seconds for a program");
        add("idle", po::value(&opts.idle)->default_value(opts.idle), "seconds for a client to send or receive a piece");
        add("output", po::value(&opts.output)->default_value(opts.output), "maximum output of a program in MiB");
        add("env", po::value(&opts.variables), "a variable to pass on, besides PATH");
        auto const words = parse_options(argc, argv, known);
        if (words.size() != 1 || !fs::is_directory(words.front()) || opts.time == 0 || opts.idle == 0)
            throw po::error("one existing folder and positive limits of time are required; try --help");
        opts.root = fs::canonical(words.front());
        run(opts);
        return 0;
    });
}
