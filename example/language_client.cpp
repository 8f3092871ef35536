// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// language_client: prints what a language server reports about a file: language_client main.cpp -- clangd
#include "language_protocol.hpp"
#include "options.hpp"

#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <chrono>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

struct options {
    std::string file, text, language = "cpp";
    std::vector<std::string> server;
    int timeout = 10, restarts = 3;
};

options parse(int argc, char** argv)
{
    options opts;
    po::options_description known(
        "Usage: language_client [options] FILE -- server [argument...]\n\n"
        "Prints the diagnostics and the outline that a language server reports. If it fails or does not answer, it is\n"
        "restarted.\n\nOptions");
    auto add = known.add_options();
    add("language", po::value(&opts.language)->default_value(opts.language), "the protocol's name of the language");
    add("timeout", po::value(&opts.timeout)->default_value(opts.timeout), "seconds for each answer");
    add("restarts", po::value(&opts.restarts)->default_value(opts.restarts), "maximum number of restarts");
    auto const words = parse_options(argc, argv, known);
    if (words.size() < 3 || words[1] != "--" || opts.timeout < 1 || opts.restarts < 0)
        throw po::error("FILE, --, a server, a positive timeout and restarts of at least 0 are required; try --help");
    opts.server.assign(words.begin() + 2, words.end());
    opts.file = std::filesystem::absolute(words[0]).lexically_normal();
    std::ifstream file(opts.file, std::ios::binary);
    if (!file || !std::filesystem::is_regular_file(opts.file))
        throw po::error("cannot read " + opts.file);
    opts.text.assign(std::istreambuf_iterator<char>(file), {});
    brood::error_code invalid;
    if (json::parse(json::serialize(opts.text), invalid); invalid.failed())
        throw po::error(opts.file + " is not UTF-8");
    return opts;
}

std::string format_diagnostics(std::string const& file, json::array const& diagnostics)
{
    static constexpr std::array severities{"error", "error", "warning", "information", "hint"};
    std::string text;
    for (auto const& item : diagnostics) {
        auto const* const severity = item.as_object().if_contains("severity");
        auto const* const name = severities.at(severity ? json::value_to<std::size_t>(*severity) : 0);
        text += file + ':' + begin_of(item.at("range")) + ": " + name + ": " + to_text(item.at("message")) + '\n';
    }
    return text;
}

/// The outline as a tree, or as a list from a server that reports no tree.
std::string format_outline(json::array const& symbols, std::string const& indent = "")
{
    std::string text;
    for (auto const& item : symbols) {
        auto const* const location = item.as_object().if_contains("location");
        auto const begin = begin_of(location ? location->at("range") : item.at("selectionRange"));
        text += indent + to_text(item.at("name")) + " (" + begin + ")\n";
        if (auto const* const children = item.as_object().if_contains("children"))
            text += format_outline(children->as_array(), indent + "  ");
    }
    return text;
}

/// One run of the server.
class session {
public:
    session(options const& opts, brood::child server)
        : opts_(opts),
          server_(std::move(server), std::chrono::seconds(opts.timeout), [this](auto const& message) { keep(message); })
    {}

    /// Returns what the server reports, or nothing if the server fails first. Prints each failure.
    asio::awaitable<std::optional<std::string>> run()
    {
        using namespace asio::experimental::awaitable_operators;
        if (auto const first = co_await (examine() || server_.write_queue()); first.index() == 1)
            failure_ = "timed out; ";
        auto const status = co_await server_.child().async_stop();
        if (!failure_.empty() || !status.success())
            std::cerr << "language_client: " << server_.last_method() << ": " << failure_ << status << '\n';
        co_return report_;
    }

private:
    asio::awaitable<void> examine()
    try {
        co_await exchange();
    } catch (boost::system::system_error const& error) {
        failure_ = error.code().message() + "; ";
    } catch (std::exception const& error) {
        failure_ = error.what() + std::string("; ");
    }

    asio::awaitable<void> exchange()
    {
        auto const folder = to_uri(std::filesystem::current_path()), uri = to_uri(opts_.file);
        auto const capabilities = json::parse(R"({"textDocument": {
            "documentSymbol": {"hierarchicalDocumentSymbolSupport": true}, "publishDiagnostics": {}}})");
        json::object const client{{"processId", ::getpid()}, {"rootUri", folder}, {"capabilities", capabilities}};
        json::object const file{{"uri", uri}, {"languageId", opts_.language}, {"version", 1}, {"text", opts_.text}};
        json::object const opened{{"textDocument", file}}, chosen{{"textDocument", {{"uri", uri}}}};

        co_await server_.request("initialize", client);
        server_.notify("initialized", json::object());
        server_.notify("textDocument/didOpen", opened);
        auto const symbols = co_await server_.request("textDocument/documentSymbol", chosen);
        while (!diagnostics_.count(opts_.file))
            co_await server_.receive();
        report_.emplace();
        for (auto const& [path, text] : diagnostics_)
            *report_ += text;
        if (symbols.is_array())
            *report_ += format_outline(symbols.get_array());
        co_await server_.request("shutdown", json::object());
        server_.notify("exit", json::object());
        co_await server_.child().async_wait();
    }

    void keep(json::object const& message)
    {
        if (message.at("method") != "textDocument/publishDiagnostics")
            return;
        auto const file = to_path(to_text(message.at("params").at("uri")));
        diagnostics_[file] = format_diagnostics(file, message.at("params").at("diagnostics").as_array());
    }

    options const& opts_;
    language_server server_;
    std::string failure_;
    std::map<std::string, std::string> diagnostics_; // of each file
    std::optional<std::string> report_;
};

asio::awaitable<void> examine(asio::io_context& loop, options const& opts)
{
    brood::command cmd(opts.server.front(), {opts.server.begin() + 1, opts.server.end()});
    cmd.in(brood::stdio::piped()).out(brood::stdio::piped());
    for (int restarts = 0; restarts <= opts.restarts; ++restarts) {
        auto spawned = co_await brood::async_spawn(loop, cmd, brood::as_result);
        if (!spawned)
            throw std::runtime_error(describe(cmd, spawned.error()));
        session current(opts, std::move(spawned).value());
        auto const report = co_await current.run();
        if (report && !(std::cout << *report << std::flush))
            throw std::runtime_error("cannot write to standard output");
        if (report)
            co_return;
    }
    throw std::runtime_error("the server failed " + std::to_string(opts.restarts + 1) + " times");
}

} // namespace

int main(int argc, char** argv)
{
    return run_program("language_client", [&] {
        auto const opts = parse(argc, argv);
        asio::io_context loop{1};
        auto done = asio::co_spawn(loop, examine(loop, opts), asio::use_future);
        loop.run();
        done.get();
        return 0;
    });
}
