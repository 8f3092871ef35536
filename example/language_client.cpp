// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// language_client: prints what a language server reports about a file: language_client main.cpp -- clangd
#include "language_protocol.hpp"
#include "options.hpp"

#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace {

constexpr std::size_t examine_step = 1, shutdown_step = 2, exit_step = 3; // after the initialization

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
        "restarted. Its standard error is copied, with \"server: \" before each line.\n\nOptions");
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

/// The messages of each step. The last one of a step is a request with the step's number as its id, or `exit`.
std::vector<std::vector<json::object>> steps_for(options const& opts)
{
    auto const folder = to_uri(std::filesystem::current_path()), uri = to_uri(opts.file);
    auto const capabilities = json::parse(R"({"textDocument": {
        "documentSymbol": {"hierarchicalDocumentSymbolSupport": true}, "publishDiagnostics": {}}})");
    json::object const client{{"processId", ::getpid()}, {"rootUri", folder}, {"capabilities", capabilities}};
    json::object const file{{"uri", uri}, {"languageId", opts.language}, {"version", 1}, {"text", opts.text}};
    json::object const initialize{{"id", 0}, {"method", "initialize"}, {"params", client}};
    json::object const initialized{{"method", "initialized"}, {"params", json::object()}};
    json::object const open{{"method", "textDocument/didOpen"}, {"params", {{"textDocument", file}}}};
    json::object const chosen{{"textDocument", {{"uri", uri}}}};
    json::object const outline{{"id", examine_step}, {"method", "textDocument/documentSymbol"}, {"params", chosen}};
    json::object const shutdown{{"id", shutdown_step}, {"method", "shutdown"}}, exit{{"method", "exit"}};
    return {{initialize}, {initialized, open, outline}, {shutdown}, {exit}};
}

/// One run of the server.
struct session {
    options const& opts;
    message_child server;
    std::vector<std::vector<json::object>> steps = steps_for(opts);
    std::size_t step = 0, answered = 0;
    std::map<std::string, std::string> diagnostics{}; // of each file
    std::string outline{};

    void start_step(std::size_t number)
    {
        step = number;
        server.set_timeout(std::chrono::seconds(opts.timeout));
        for (auto const& message : steps[step])
            server.send(message);
    }

    void handle(json::object const& message)
    {
        auto const* const method = message.if_contains("method");
        if (method && message.contains("id")) {
            answer(message);
        } else if (method && *method == "textDocument/publishDiagnostics") {
            auto const file = to_path(to_text(message.at("params").at("uri")));
            diagnostics[file] = format_diagnostics(file, message.at("params").at("diagnostics").as_array());
        } else if (!method && message.at("id") == step) {
            if (auto const* const symbols = message.at("result").if_array())
                outline = format_outline(*symbols);
            answered = step + 1;
        }
        if (answered > step && (step != examine_step || diagnostics.count(opts.file)))
            start_step(step + 1);
    }

    void answer(json::object const& request)
    {
        auto const method = to_text(request.at("method"));
        json::object reply{{"id", request.at("id")}};
        if (method == "workspace/configuration") // there is none
            reply["result"] = json::array(request.at("params").at("items").as_array().size(), nullptr);
        else if (method == "client/registerCapability" || method == "window/workDoneProgress/create")
            reply["result"] = nullptr;
        else
            reply["error"] = {{"code", -32601}, {"message", "unknown method"}};
        server.send(std::move(reply));
    }
};

asio::awaitable<void> examine(asio::io_context& loop, options const& opts)
{
    brood::command cmd(opts.server.front(), {opts.server.begin() + 1, opts.server.end()});
    cmd.in(brood::stdio::piped()).out(brood::stdio::piped()).err(brood::stdio::piped());
    for (int restarts = 0; restarts <= opts.restarts; ++restarts) {
        auto spawned = co_await brood::async_spawn(loop, cmd, brood::as_result);
        if (!spawned)
            throw std::runtime_error(describe(cmd, spawned.error()));
        session current{opts, {std::move(spawned).value(), [&](auto const& message) { current.handle(message); }}};
        current.start_step(0);
        auto const end = co_await current.server.run();
        auto const& last = current.steps[current.step].back();
        if (current.step < exit_step || end != to_string(brood::exit_status::from_raw(0)))
            std::cerr << "language_client: " << to_text(last.at("method")) << ": " << end << '\n';
        if (current.step < shutdown_step)
            continue;
        for (auto const& [file, text] : current.diagnostics)
            std::cout << text;
        if (!(std::cout << current.outline << std::flush))
            throw std::runtime_error("cannot write to standard output");
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
