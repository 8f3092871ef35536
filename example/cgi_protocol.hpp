// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_CGI_PROTOCOL_HPP
#define BROOD_EXAMPLE_CGI_PROTOCOL_HPP

#include <boost/algorithm/hex.hpp>
#include <boost/algorithm/string.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/regex.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

namespace http = boost::beast::http;

constexpr std::size_t longest_header = 32768; // of a request and of a script

/// The target of a request: the decoded path, and the query as it was sent.
struct request_target {
    std::string path, query;
};

/// Returns nothing for a malformed target, and for a path that contains NUL or a segment `.` or `..`.
inline std::optional<request_target> parse_target(std::string const& text)
{
    static boost::regex const format(R"((?:https?://[^/?]*)?(/[^?]*)(?:\?(.*))?)", boost::regex::icase);
    static boost::regex const invalid("%00|%(?![[:xdigit:]]{2})"), code("%([[:xdigit:]]{2})"), dots(R"(/\.\.?(/|$))");
    boost::smatch parts;
    if (!regex_match(text, parts, format) || regex_search(parts.str(1), invalid))
        return {};
    auto const decode = [](boost::smatch const& byte) { return boost::algorithm::unhex(byte.str(1)); };
    request_target target{regex_replace(parts.str(1), code, decode), parts.str(2)};
    return regex_search(target.path, dots) ? std::nullopt : std::optional(target);
}

/// Splits a path into that of the first file below the root, and the rest, which is the script's PATH_INFO.
inline std::pair<std::string, std::string> split_path(std::string const& root, std::string const& path)
{
    std::size_t end = 0;
    std::error_code ignored;
    do
        end = std::min(path.find('/', end + 1), path.size());
    while (end < path.size() && std::filesystem::is_directory(root + path.substr(0, end), ignored));
    return {path.substr(0, end), path.substr(end)};
}

/// The fields of a request as variables. `X-Y` and `X_Y` would be the same variable: only letters, digits and `-` pass.
inline std::map<std::string, std::string> header_variables(http::fields const& fields)
{
    // Programs use HTTP_PROXY as their proxy: it must not come from a client. Credentials are kept from scripts, as RFC
    // 3875 recommends. The others have variables of their own, or describe the connection.
    static boost::regex const format("[A-Z0-9-]+"),
        left_out("PROXY|(PROXY-)?AUTHORIZATION|CONTENT-(TYPE|LENGTH)|"
                 "TRANSFER-ENCODING|CONNECTION|KEEP-ALIVE|EXPECT|TE|UPGRADE");
    std::map<std::string, std::string> variables;
    for (auto const& field : fields) {
        auto const name = boost::to_upper_copy(std::string(field.name_string()));
        if (!regex_match(name, format) || regex_match(name, left_out))
            continue;
        auto& value = variables["HTTP_" + boost::replace_all_copy(name, "-", "_")];
        value += (value.empty() ? "" : name == "COOKIE" ? "; " : ", ") + std::string(field.value());
    }
    return variables;
}

/// The response that a script's header describes, or nothing if the header is invalid.
inline std::optional<http::response<http::empty_body>> parse_script_header(std::string const& text)
{
    http::response_parser<http::empty_body> parser;
    parser.header_limit(2 * longest_header);
    parser.body_limit(boost::none);
    auto const message = "HTTP/1.1 200 OK\r\n" + regex_replace(text, boost::regex("\r?\n"), "\r\n");
    boost::system::error_code error;
    parser.put(boost::asio::buffer(message), error);
    auto& response = parser.get();
    auto const status = std::string(response["Status"]);
    bool const redirects = response.count(http::field::location) == 1;
    boost::smatch parts;
    if (!parser.is_header_done() || (status.empty() && !redirects && response.count(http::field::content_type) == 0) ||
        (!status.empty() && !regex_match(status, parts, boost::regex("([2-5][0-9]{2})(?: (.*))?"))))
        return {};
    response.result(redirects ? http::status::found : http::status::ok);
    if (!status.empty()) {
        response.result(static_cast<unsigned>(std::stoul(parts.str(1))));
        response.reason(parts.str(2));
    }
    return parser.release();
}

/// The target of a local redirect (RFC 3875, 6.2.2), or an empty string.
inline std::string local_redirect(http::response<http::empty_body> const& response)
{
    auto const location = std::string(response[http::field::location]);
    bool const only_field = std::next(response.begin()) == response.end();
    return only_field && location.starts_with('/') ? location : "";
}

#endif
