// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/error.hpp>

#include <doctest/doctest.h>

#include <cerrno>
#include <ostream>
#include <set>
#include <string>
#include <system_error>

using namespace brood;

namespace {

namespace sys = boost::system;

struct named_stage {
    spawn_stage stage;
    std::string_view word; // part of its text
};

constexpr named_stage all_stages[] = {
    {spawn_stage::prepare, "prepare"},
    {spawn_stage::pipe, "pipe"},
    {spawn_stage::clone, "process"},
    {spawn_stage::signals, "signals"},
    {spawn_stage::stdio, "descriptors"},
    {spawn_stage::session, "session"},
    {spawn_stage::terminal, "terminal"},
    {spawn_stage::credentials, "credentials"},
    {spawn_stage::limits, "limits"},
    {spawn_stage::cgroup, "cgroup"},
    {spawn_stage::root, "root"},
    {spawn_stage::directory, "directory"},
    {spawn_stage::hook, "pre_exec"},
    {spawn_stage::exec, "program"},
    {spawn_stage::namespaces, "namespaces"},
    {spawn_stage::seccomp, "seccomp"},
};

constexpr int some_errnos[] = {EPERM,  ENOENT, ESRCH,  E2BIG,  ENOEXEC, EBADF,   EAGAIN,
                               ENOMEM, EACCES, EINVAL, EMFILE, ENOSYS,  ENOTSUP, ECANCELED};

constexpr errc all_library_errors[] = {
    errc::nul_byte,    errc::empty_program,         errc::invalid_environment_key,
    errc::status_lost, errc::output_limit_exceeded, errc::output_incomplete,
    errc::timed_out,   errc::unexpected_pipe,       errc::inexpressible,
};

} // namespace

TEST_SUITE_BEGIN("error");

TEST_CASE("spawn error: keeps the errno and the stage")
{
    for (auto const& row : all_stages) {
        for (int const value : some_errnos) {
            CAPTURE(row.word);
            CAPTURE(value);
            error_code const ec = make_error_code(row.stage, value);
            CHECK(ec.failed());
            CHECK(ec.value() == value);
            CHECK(ec.category() == spawn_category(row.stage));
            CHECK(stage_of(ec) == row.stage);
        }
    }
}

TEST_CASE("spawn error: the message names the stage and the errno")
{
    CHECK(make_error_code(spawn_stage::directory, ENOENT).message() == "change directory: No such file or directory");
    for (auto const& row : all_stages) {
        CAPTURE(row.word);
        std::string const text(to_string(row.stage));
        CHECK(text.find(row.word) != text.npos);
        for (int const value : some_errnos) {
            CAPTURE(value);
            CHECK(make_error_code(row.stage, value).message() == text + ": " + sys::generic_category().message(value));
        }
    }
}

TEST_CASE("spawn_stage: text, category and its name are unique")
{
    std::set<std::string_view> texts;
    std::set<std::string> names;
    for (auto const& row : all_stages) {
        CAPTURE(row.word);
        CHECK(texts.insert(to_string(row.stage)).second);
        CHECK(names.insert(spawn_category(row.stage).name()).second);
        CHECK(std::string_view(spawn_category(row.stage).name()).starts_with("brood."));
        for (auto const& other : all_stages) {
            CAPTURE(other.word);
            CHECK((spawn_category(row.stage) == spawn_category(other.stage)) == (row.stage == other.stage));
        }
    }
}

TEST_CASE("spawn error: equals the condition of its errno only")
{
    for (auto const& row : all_stages) {
        for (int const value : some_errnos) {
            CAPTURE(row.word);
            CAPTURE(value);
            error_code const ec = make_error_code(row.stage, value);
            for (int const other : some_errnos) {
                CAPTURE(other);
                CHECK((ec == static_cast<std::errc>(other)) == (value == other));
                CHECK((ec == static_cast<sys::errc::errc_t>(other)) == (value == other));
                CHECK((std::error_code(ec) == static_cast<std::errc>(other)) == (value == other));
            }
        }
    }
    error_code const missing = make_error_code(spawn_stage::exec, ENOENT);
    CHECK(missing == std::errc::no_such_file_or_directory);
    CHECK(missing == sys::errc::no_such_file_or_directory);
    CHECK(missing == sys::errc::make_error_condition(sys::errc::no_such_file_or_directory));
}

TEST_CASE("spawn error: the same errno at two stages differs")
{
    error_code const in_directory = make_error_code(spawn_stage::directory, ENOENT);
    error_code const in_exec = make_error_code(spawn_stage::exec, ENOENT);
    CHECK(in_directory != in_exec);
    CHECK(in_directory == make_error_code(spawn_stage::directory, ENOENT));
    CHECK(in_exec != error_code(ENOENT, sys::system_category()));
}

TEST_CASE("spawn error: an unknown errno keeps its value, stage and text")
{
    for (int const value : {99999, -7}) {
        CAPTURE(value);
        error_code const ec = make_error_code(spawn_stage::clone, value);
        CHECK(ec.failed());
        CHECK(ec.value() == value);
        CHECK(stage_of(ec) == spawn_stage::clone);
        CHECK(ec.message().starts_with(std::string(to_string(spawn_stage::clone)) + ": "));
        CHECK(ec != std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("stage_of: returns nothing for other errors")
{
    CHECK(stage_of(error_code()) == std::nullopt);
    CHECK(stage_of(error_code(ENOENT, sys::system_category())) == std::nullopt);
    CHECK(stage_of(error_code(ENOENT, sys::generic_category())) == std::nullopt);
    for (auto const e : all_library_errors) {
        CAPTURE(static_cast<int>(e));
        CHECK(stage_of(e) == std::nullopt);
    }
}

TEST_CASE("errc: starts at 1 and converts to error_code")
{
    int expected = 1;
    for (auto const e : all_library_errors) {
        CAPTURE(expected);
        error_code const ec = e;
        CHECK(ec.failed());
        CHECK(ec.value() == expected);
        CHECK(ec.category() == brood_category());
        CHECK(ec == e);
        ++expected;
    }
    CHECK(std::string_view(brood_category().name()) == "brood");
}

TEST_CASE("errc: each value has its own message")
{
    std::set<std::string> messages{error_code(0, brood_category()).message()};
    for (auto const e : all_library_errors) {
        CAPTURE(static_cast<int>(e));
        CHECK_FALSE(error_code(e).message().empty());
        CHECK(messages.insert(error_code(e).message()).second);
    }
}

TEST_CASE("errc: equals the generic conditions")
{
    for (auto const e : all_library_errors) {
        CAPTURE(static_cast<int>(e));
        error_code const ec = e;
        bool const malformed = e == errc::nul_byte || e == errc::empty_program || e == errc::invalid_environment_key ||
                               e == errc::unexpected_pipe;
        CHECK((ec == std::errc::invalid_argument) == malformed);
        CHECK((ec == sys::errc::invalid_argument) == malformed);
        CHECK((std::error_code(ec) == std::errc::invalid_argument) == malformed);
        CHECK((ec == std::errc::timed_out) == (e == errc::timed_out));
        CHECK((ec == sys::errc::timed_out) == (e == errc::timed_out));
        CHECK((std::error_code(ec) == std::errc::timed_out) == (e == errc::timed_out));
        CHECK((ec == std::errc::not_supported) == (e == errc::inexpressible));
    }
}

TEST_CASE("errc: values with the same condition differ")
{
    for (auto const error : all_library_errors) {
        for (auto const other : all_library_errors) {
            CAPTURE(static_cast<int>(error));
            CAPTURE(static_cast<int>(other));
            CHECK((error_code(error) == other) == (error == other));
        }
    }
    CHECK(error_code(errc::nul_byte) != error_code(EINVAL, sys::generic_category()));
}

TEST_CASE("brood_category: an unknown value maps to no generic condition")
{
    for (int const value : {-1, 0, 10, EINVAL, ETIMEDOUT, 99999}) {
        CAPTURE(value);
        error_code const ec(value, brood_category());
        CHECK(ec.message() == "unknown error");
        CHECK(ec != std::errc::invalid_argument);
        CHECK(ec != std::errc::timed_out);
        CHECK(ec.default_error_condition().category() == brood_category());
        CHECK(ec.default_error_condition().value() == value);
        CHECK(stage_of(ec) == std::nullopt);
    }
}

TEST_CASE("error categories: equal values in different categories differ")
{
    error_code const prepare = make_error_code(spawn_stage::prepare, 1);
    error_code const nul_byte = errc::nul_byte; // its value is 1, too
    CHECK(prepare != nul_byte);
    CHECK(nul_byte != std::errc::operation_not_permitted);
    CHECK(prepare == std::errc::operation_not_permitted);
}

TEST_SUITE_END();
