// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// cgi_server: a web server for files and CGI/1.1 programs (RFC 3875):
//
//     cgi_server --port 8080 /srv/www     runs the programs in /srv/www/cgi-bin
#include "cgi_protocol.hpp"
#include "options.hpp"

#include <brood.hpp>

#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/beast/core.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace fs = std::filesystem;
using asio::ip::tcp;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;
using std::chrono::seconds;

constexpr auto token = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t piece_size = 65536;

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

std::string format_time(char const* format)
{
    char text[64];
    auto const now = std::time(nullptr);
    return {text, std::strftime(text, sizeof text, format, std::gmtime(&now))};
}

/// Escapes quotes and what is not printable ASCII. The log contains text from clients and programs.
std::string escape(std::string const& text)
{
    auto const to_hex = [](boost::smatch const& byte) { return "\\x" + boost::algorithm::hex_lower(byte.str()); };
    return regex_replace(text, boost::regex("[^ !#-~]"), to_hex);
}

std::string to_chunk(std::string const& piece)
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

/// A running script. The connection uses its streams; `supervise` waits for its end.
struct script {
    brood::child child;
    std::string name; // for the log
    brood::pipe_writer in = std::move(child.in());
    asio::readable_pipe out = std::move(child.out());
    asio::steady_timer timer{out.get_executor()};
    asio::cancellation_signal stop{};
    std::string cause{}; // why it was stopped, or failed
    bool ended = false, timed_out = false;

    void abort(std::string const& why)
    {
        if (!out.is_open() || ended || !cause.empty())
            return;
        cause = why;
        stop.emit(asio::cancellation_type::terminal); // a second one would kill the script at once
    }

    /// Waits a moment for the end, which follows the end of the output.
    asio::awaitable<void> wait_for_end()
    {
        timer.expires_after(100ms);
        if (!ended)
            co_await timer.async_wait(token);
    }
};

/// Waits for the end of a script, which may run on after its response.
asio::awaitable<void> supervise(std::shared_ptr<script> s, std::shared_ptr<log_entry> entry, seconds limit)
{
    auto const log = [s](std::string_view line) { std::cerr << s->name + escape(std::string(line)) + '\n'; };
    auto const options = brood::output_options().on_err_line(log).timeout(limit).stop(brood::stop_plan(SIGTERM, 2s));
    auto const [error, result] =
        co_await s->child.async_output(options, asio::bind_cancellation_slot(s->stop.slot(), token));
    --entry->now.scripts;
    s->ended = true;
    s->timed_out = error == brood::errc::timed_out;
    if (s->cause.empty() && (error.failed() || result.status.signal()))
        s->cause = error.failed() ? error.message() : "killed";
    std::ostringstream text;
    text << ", " << s->cause << (s->cause.empty() ? "" : ", ") << result.status << ", " << result.elapsed / 1ms
         << " ms";
    if (auto const& used = result.usage)
        text << ", CPU " << (used->user_time + used->system_time) / 1ms << " ms, " << used->max_rss / 1024 << " KiB";
    entry->script = text.str();
    // A descendant may hold the streams open. A read ends when no data arrives for a second.
    s->in.close();
    brood::error_code closed;
    for (s->timer.cancel(); s->out.is_open(); s->out.cancel(closed)) {
        s->timer.expires_after(1s);
        co_await s->timer.async_wait(token);
    }
}

/// A client's connection.
struct connection {
    options const& opts;
    activity& now;
    std::string const client;
    beast::tcp_stream stream;
    beast::flat_buffer buffer{};
    // Of the request:
    std::optional<http::request_parser<http::buffer_body>> parser{};
    std::shared_ptr<log_entry> entry{};
    bool keep_alive = true;

    auto const& request() const { return parser->get(); }
    std::string field(http::field name) const { return std::string(request()[name]); }
    bool is_head() const { return request().method() == http::verb::head; }
    void extend_time() { stream.expires_after(seconds(opts.idle)); }

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
            co_return co_await send_file(target.path);
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
        auto cmd = make_command(name, rest, target.query, has_body);
        cmd.env("REQUEST_METHOD", redirects == 0 || is_head() ? std::string(request().method_string()) : "GET");
        auto const location = co_await run_script(cmd);
        if (auto const next = parse_target(location); next && redirects < 10)
            co_await answer(*next, redirects + 1);
        else if (!location.empty())
            co_await refuse(http::status::bad_gateway);
    }

    brood::command
    make_command(std::string const& name, std::string const& rest, std::string const& query, bool has_body)
    {
        auto const file = opts.root + name;
        brood::error_code ignored;
        auto const end = stream.socket().local_endpoint(ignored);
        auto const server_name = regex_replace(field(http::field::host), boost::regex(":[0-9]*$"), "");
        brood::command cmd(file);
        // Its own process group: it does not receive the terminal's ^C, and a stop reaches its descendants.
        cmd.current_dir(fs::path(file).parent_path()).process_group();
        cmd.in(has_body ? brood::stdio::piped() : brood::stdio::null());
        cmd.out(brood::stdio::piped()).err(brood::stdio::piped());
        cmd.env_keep("PATH").env(header_variables(request()));
        for (auto const& variable : opts.variables)
            cmd.env_keep(variable);
        cmd.env("GATEWAY_INTERFACE", "CGI/1.1").env("SERVER_SOFTWARE", "cgi_server");
        cmd.env("SERVER_PROTOCOL", request().version() == 10 ? "HTTP/1.0" : "HTTP/1.1");
        cmd.env("SERVER_NAME", server_name.empty() ? end.address().to_string() : server_name);
        cmd.env("SERVER_PORT", std::to_string(end.port())).env("REMOTE_ADDR", client).env("REMOTE_HOST", client);
        cmd.env("SCRIPT_NAME", name).env("QUERY_STRING", query);
        if (!rest.empty())
            cmd.env("PATH_INFO", rest).env("PATH_TRANSLATED", opts.root + rest);
        // A body in chunks is passed on as it arrives. Its length is not known: it ends with the input.
        if (has_body && request().has_content_length())
            cmd.env("CONTENT_LENGTH", field(http::field::content_length));
        if (has_body && request().count(http::field::content_type) > 0)
            cmd.env("CONTENT_TYPE", field(http::field::content_type));
        return cmd;
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

    asio::awaitable<void> send_file(std::string path)
    {
        if (!is_head() && request().method() != http::verb::get)
            co_return co_await refuse(http::status::method_not_allowed, http::field::allow, "GET, HEAD");
        path = opts.root + path + (path.ends_with('/') ? "index.html" : "");
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
        auto const accepted = std::shared_ptr<connection>(
            new connection{opts, now, client.address().to_string(), beast::tcp_stream(std::move(socket))});
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
