// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_CGI_SCRIPT_HPP
#define BROOD_EXAMPLE_CGI_SCRIPT_HPP

#include "cgi_connection.hpp"

#include <brood/child.hpp>
#include <brood/command.hpp>
#include <brood/run_options.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/steady_timer.hpp>

#include <csignal>
#include <vector>

using namespace std::chrono_literals;

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
inline asio::awaitable<void> supervise(std::shared_ptr<script> s, std::shared_ptr<log_entry> entry, seconds limit)
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

/// A script's path below the root, what follows it in the request, and what it is given.
struct script_request {
    std::string const& root;
    std::string name, rest, query;
    bool has_body;
};

/// Sets the variables of a script: RFC 3875, 4.1. `passed_on` are names of variables of this process.
inline brood::command
make_command(http_connection const& from, script_request const& what, std::vector<std::string> const& passed_on)
{
    auto const& request = from.request();
    auto const file = what.root + what.name;
    brood::error_code ignored;
    auto const end = from.stream.socket().local_endpoint(ignored);
    auto const server_name = regex_replace(from.field(http::field::host), boost::regex(":[0-9]*$"), "");
    brood::command cmd(file);
    // Its own process group: it does not receive the terminal's ^C, and a stop reaches its descendants.
    cmd.current_dir(fs::path(file).parent_path()).process_group();
    cmd.in(what.has_body ? brood::stdio::piped() : brood::stdio::null());
    cmd.out(brood::stdio::piped()).err(brood::stdio::piped());
    cmd.env_keep("PATH").env(header_variables(request));
    for (auto const& variable : passed_on)
        cmd.env_keep(variable);
    cmd.env("GATEWAY_INTERFACE", "CGI/1.1").env("SERVER_SOFTWARE", "cgi_server");
    cmd.env("SERVER_PROTOCOL", request.version() == 10 ? "HTTP/1.0" : "HTTP/1.1");
    cmd.env("SERVER_NAME", server_name.empty() ? end.address().to_string() : server_name);
    cmd.env("SERVER_PORT", std::to_string(end.port())).env("REMOTE_ADDR", from.client).env("REMOTE_HOST", from.client);
    cmd.env("SCRIPT_NAME", what.name).env("QUERY_STRING", what.query);
    if (!what.rest.empty())
        cmd.env("PATH_INFO", what.rest).env("PATH_TRANSLATED", what.root + what.rest);
    // A body in chunks is passed on as it arrives. Its length is not known: it ends with the input.
    if (what.has_body && request.has_content_length())
        cmd.env("CONTENT_LENGTH", from.field(http::field::content_length));
    if (what.has_body && request.count(http::field::content_type) > 0)
        cmd.env("CONTENT_TYPE", from.field(http::field::content_type));
    return cmd;
}

#endif
