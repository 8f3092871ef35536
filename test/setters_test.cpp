// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <signal.h>

using namespace brood;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("setters");

TEST_CASE("setters: an lvalue returns a reference to itself, an rvalue can be moved from")
{
    command cmd("a");
    static_assert(std::is_same_v<decltype(cmd.arg("b")), command&>);
    static_assert(std::is_same_v<decltype(command("a").arg("b")), command&&>);
    static_assert(std::is_same_v<decltype(cmd.under("b")), command&>);
    static_assert(std::is_same_v<decltype(command("a").under("b")), command&&>);
    static_assert(std::is_same_v<decltype(cmd.under_shell(std::vector<std::string>())), command&>);
    static_assert(std::is_same_v<decltype(command("a").under_shell(std::vector<std::string>())), command&&>);
    static_assert(std::is_same_v<decltype(output_options().timeout(1s)), output_options&&>);
    static_assert(std::is_same_v<decltype(group_options().max_running(1)), group_options&&>);
    static_assert(std::is_same_v<decltype(stop_plan().then(SIGINT, 1s)), stop_plan&&>);
    static_assert(std::is_same_v<decltype(environment().set("a", "b")), environment&&>);
    static_assert(std::is_same_v<decltype(pipeline(command("a")).err(stdio::null())), pipeline&&>);
    CHECK(&cmd.arg("b") == &cmd);

    command const moved = command("a").arg("b").env("C", "d").umask(022).in(stdio::null()).session();
    CHECK(moved.arguments() == std::vector<std::string>{"b"});
    CHECK(moved.data().umask == mode_t(022));
    CHECK(moved.data().session);
}

TEST_CASE("setters: strings may be literals, strings, views and paths")
{
    std::string const string = "string";
    std::string_view const view = "view";
    std::filesystem::path const path = "/pa/th";
    command cmd(path, "literal", string, view, path);
    cmd.current_dir(path).arg0(path).arg(path);
    CHECK(cmd.program() == "/pa/th");
    CHECK(cmd.arguments() == std::vector<std::string>{"literal", "string", "view", "/pa/th", "/pa/th"});
    CHECK(cmd.data().directory == "/pa/th");
    CHECK(cmd.data().arg0 == "/pa/th");

    std::vector<std::filesystem::path> const paths{"a", "b"};
    CHECK(command("x").args(paths).args({"c", "d"}).arguments() == std::vector<std::string>{"a", "b", "c", "d"});
    CHECK(command("x", std::vector<std::string>{"y"}).program("z").program() == "z");
    // A view may be a range only if it is not const.
    struct words {
        std::vector<std::string> list;
        auto begin() { return list.begin(); }
        auto end() { return list.end(); }
    };
    CHECK(command("x").args(words{{"e", "f"}}).arguments() == std::vector<std::string>{"e", "f"});

    CHECK(stdio::file(view, open_mode::read) == stdio::file("view", open_mode::read));
    CHECK(stdio::file(path, open_mode::read).path() == "/pa/th");
}

TEST_CASE("setters: lists have a variadic form")
{
    command const variadic = command("x").affinity(0, 1).signal_mask(SIGUSR1, SIGUSR2).groups(4, 27);
    command const listed = command("x").affinity({0, 1}).signal_mask({SIGUSR1, SIGUSR2}).groups({4, 27});
    CHECK(variadic.data().affinity == listed.data().affinity);
    CHECK(variadic.data().signal_mask == listed.data().signal_mask);
    CHECK(variadic.data().groups == listed.data().groups);
    CHECK(command("x").signal_mask().data().signal_mask == std::vector<int>());
    CHECK(command("x").ambient_capabilities(1, 2).data().ambient_capabilities == std::vector{1, 2});
    CHECK(command("x").bounding_capabilities().data().bounding_capabilities == std::vector<int>());
    CHECK(command("x").namespaces(ns::user, ns::pid).data().namespaces == std::vector{ns::user, ns::pid});
}

TEST_CASE("setters: a seccomp filter may be any range of instructions")
{
    struct instruction { // as the kernel's
        std::uint16_t code;
        std::uint8_t jt, jf;
        std::uint32_t k;
    };
    std::vector<instruction> const filter{{0x20, 0, 0, 4}, {6, 1, 2, 0x7fff0000}};
    auto const copy = command("x").seccomp(filter).data().seccomp;
    CHECK(copy == std::vector<bpf_instruction>{{0x20, 0, 0, 4}, {6, 1, 2, 0x7fff0000}});
    CHECK(command("x").seccomp(*copy).seccomp(std::vector<bpf_instruction>()).data().seccomp->empty());
}

TEST_CASE("setters: options keep what was set")
{
    auto const options =
        output_options().limit(7, limit_policy::discard).timeout(2s).drain_grace(3s).stop(stop_plan(SIGINT, 4s));
    CHECK(options.settings().limit == 7);
    CHECK(options.settings().on_limit == limit_policy::discard);
    CHECK(options.settings().timeout == duration(2s));
    CHECK(options.settings().drain_grace == duration(3s));
    CHECK(options.settings().stop == stop_plan(SIGINT, 4s));

    auto const group = group_options().max_running(5).on_failure(failure_policy::stop_rest).each(options);
    CHECK(group.settings().max_running == 5);
    CHECK(group.settings().on_failure == failure_policy::stop_rest);
    CHECK(group.settings().each.settings().limit == 7);
}

TEST_CASE("setters: public enumerations print their names")
{
    std::ostringstream text;
    text << spawn_backend::vfork << ' ' << exit_watcher::sigchld << ' ' << open_mode::append << ' '
         << limit_policy::stop_child << ' ' << failure_policy::stop_rest << ' ' << spawn_stage::directory;
    CHECK(text.str() == "vfork sigchld append stop_child stop_rest change directory");
    std::ostringstream kinds;
    for (ns const kind : {ns::user, ns::mount, ns::pid, ns::net, ns::ipc, ns::uts, ns::cgroup})
        kinds << kind << ' ';
    CHECK(kinds.str() == "user mount pid net ipc uts cgroup ");
}

TEST_CASE("setters: a result throws for what it does not hold")
{
    result<int> const failed = error_code(errc::timed_out);
    CHECK_THROWS_AS((void)failed.value(), boost::system::system_error);
    result<int> const value = 3;
    CHECK(value.value() == 3);
    CHECK_THROWS_AS((void)value.error(), std::logic_error);
}
