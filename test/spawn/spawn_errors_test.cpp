// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/ordinary_user.hpp"
#include "support/standard_streams.hpp"
#include "support/support.hpp"

#include <boost/asio/readable_pipe.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;
using namespace std::string_literals;

namespace {

bool send_descriptor(int socket, int fd)
{
    char byte = 0;
    iovec content{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {};
    msghdr message{};
    message.msg_iov = &content;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return ::sendmsg(socket, &message, MSG_DONTWAIT) == 1;
}

command with(backend_config const& config, command cmd)
{
    return std::move(cmd.backend(config.backend).watcher(config.watcher));
}

// The error of a spawn that must fail and leave no child, no descriptor and no changed signal mask.
error_code spawn_error(command const& cmd)
{
    leak_check const leaks;
    asio::io_context context;
    auto const child = spawn(context, cmd);
    CHECK_FALSE(child);
    CHECK_FALSE(has_children());
    return child ? error_code() : child.error();
}

void check_fails(command const& cmd, std::errc error, spawn_stage stage)
{
    auto const ec = spawn_error(cmd);
    CAPTURE(ec.message());
    CHECK(ec == error);
    CHECK(stage_of(ec) == stage);
}

// An open file.
class open_file {
public:
    open_file(std::string const& path, int flags) : fd_(::open(path.c_str(), flags, 0644)) { REQUIRE(fd_ >= 0); }
    ~open_file() { ::close(fd_); }
    open_file(open_file const&) = delete;
    open_file& operator=(open_file const&) = delete;

    operator int() const { return fd_; }

private:
    int fd_;
};

struct descriptor_state {
    int flags, status;
    off_t position;
    ino_t file;

    friend bool operator==(descriptor_state const&, descriptor_state const&) = default;
};

descriptor_state state_of(int fd)
{
    struct stat about {};
    ::fstat(fd, &about);
    return {::fcntl(fd, F_GETFD), ::fcntl(fd, F_GETFL), ::lseek(fd, 0, SEEK_CUR), about.st_ino};
}

// Sets the action of a signal and restores it.
class scoped_action {
public:
    scoped_action(int signal, void (*handler)(int)) : signal_(signal)
    {
        struct sigaction action {};
        action.sa_handler = handler;
        action.sa_flags = SA_RESTART;
        ::sigaction(signal_, &action, &before_);
    }
    ~scoped_action() { ::sigaction(signal_, &before_, nullptr); }
    scoped_action(scoped_action const&) = delete;
    scoped_action& operator=(scoped_action const&) = delete;

private:
    int signal_;
    struct sigaction before_ {};
};

// Blocks signals in this thread and restores the mask.
class scoped_block {
public:
    explicit scoped_block(std::initializer_list<int> signals)
    {
        sigset_t set;
        sigemptyset(&set);
        for (int signal : signals)
            sigaddset(&set, signal);
        ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    }
    ~scoped_block() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    scoped_block(scoped_block const&) = delete;
    scoped_block& operator=(scoped_block const&) = delete;

private:
    sigset_t before_;
};

// Sets the soft limit of descriptor numbers and restores it.
class descriptor_limit {
public:
    explicit descriptor_limit(rlim_t soft)
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit const now{soft, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &now);
    }
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    descriptor_limit(descriptor_limit const&) = delete;
    descriptor_limit& operator=(descriptor_limit const&) = delete;

private:
    rlimit before_{};
};

// Limits that leave no free number, one, two and so on. The last ones suffice for every command.
std::vector<rlim_t> tight_limits()
{
    auto const open = open_descriptors();
    std::vector<rlim_t> limits{0, 1, 2, 3};
    for (int fd = 4; limits.size() < 24; ++fd)
        if (!std::binary_search(open.begin(), open.end(), fd))
            limits.push_back(static_cast<rlim_t>(fd));
    return limits;
}

struct attempt {
    std::optional<exit_status> status{}; // of the child, if the spawn succeeded
    error_code error{};
};

attempt spawn_within(rlim_t descriptors, asio::io_context& context, command const& cmd)
{
    descriptor_limit const limit(descriptors);
    auto child = spawn(context, cmd);
    if (!child)
        return {std::nullopt, child.error()};
    return {child.value().wait().value(), {}};
}

std::atomic<int> sigchld_count = 0;

} // namespace

TEST_SUITE_BEGIN("spawn errors");

TEST_CASE("spawn errors: a program that cannot be executed fails with stage exec")
{
    scratch_folder folder;
    folder.write("plain", "#!/bin/sh\n", 0644);
    folder.write("script", "#!/nowhere/at/all\n", 0755);
    std::filesystem::create_symlink("loop", folder.path("loop"));
    std::filesystem::create_symlink("nowhere", folder.path("dangling"));
    struct {
        std::string program;
        std::errc error;
    } const rows[] = {
        {"/nowhere/at/all", std::errc::no_such_file_or_directory},
        {"./brood-test-missing", std::errc::no_such_file_or_directory},
        {"brood-test-missing", std::errc::no_such_file_or_directory},
        {folder.path("missing"), std::errc::no_such_file_or_directory},
        {folder.path("dangling"), std::errc::no_such_file_or_directory},
        {folder.path("script"), std::errc::no_such_file_or_directory},
        {folder.path(), std::errc::permission_denied},
        {"/", std::errc::permission_denied},
        {folder.path("plain"), std::errc::permission_denied},
        {folder.path("plain/below"), std::errc::not_a_directory},
        {folder.path("loop"), std::errc::too_many_symbolic_link_levels},
        {"/" + std::string(NAME_MAX + 1, 'x'), std::errc::filename_too_long},
        {"/" + std::string(PATH_MAX, 'x'), std::errc::filename_too_long},
    };
    for_each_config([&](backend_config const& config) {
        for (auto const& row : rows) {
            CAPTURE(row.program);
            check_fails(with(config, command(row.program)), row.error, spawn_stage::exec);
            check_fails(with(config, command(row.program, "x").current_dir("/")), row.error, spawn_stage::exec);
        }
    });
}

TEST_CASE("spawn errors: the automatic backend and watcher report the same errors")
{
    check_fails(command("/nowhere"), std::errc::no_such_file_or_directory, spawn_stage::exec);
    check_fails(command("/"), std::errc::permission_denied, spawn_stage::exec);
    check_fails(command("true").current_dir("/nowhere"), std::errc::no_such_file_or_directory, spawn_stage::directory);
}

TEST_CASE("spawn errors: a directory that cannot be entered fails with stage directory")
{
    scratch_folder folder;
    folder.write("plain", "");
    std::filesystem::create_symlink("loop", folder.path("loop"));
    struct {
        std::string directory;
        std::errc error;
    } const rows[] = {
        {"/nowhere/at/all", std::errc::no_such_file_or_directory},
        {"brood-test-missing", std::errc::no_such_file_or_directory},
        {"", std::errc::no_such_file_or_directory},
        {folder.path("plain"), std::errc::not_a_directory},
        {folder.path("plain/below"), std::errc::not_a_directory},
        {folder.path("loop"), std::errc::too_many_symbolic_link_levels},
        {"/" + std::string(NAME_MAX + 1, 'x'), std::errc::filename_too_long},
    };
    for_each_config([&](backend_config const& config) {
        for (auto const& row : rows) {
            CAPTURE(row.directory);
            check_fails(probe(config, "exit", "0").current_dir(row.directory), row.error, spawn_stage::directory);
            check_fails(
                with(config, command("/nowhere").current_dir(row.directory)), row.error, spawn_stage::directory);
            check_fails(with(config, command("true").current_dir(row.directory)), row.error, spawn_stage::directory);
        }
        check_fails(
            with(config, command("/nowhere").current_dir(folder.path())), std::errc::no_such_file_or_directory,
            spawn_stage::exec);
    });
}

TEST_CASE("spawn errors: a file of unknown format fails and starts no shell")
{
    scratch_folder folder;
    folder.write("script", "touch " + folder.path("touched") + "\n", 0755);
    folder.write("empty", "", 0755);
    folder.write(
        "elf",
        "\x7f"
        "ELF",
        0755);
    for_each_config([&](backend_config const& config) {
        for (std::string const name : {"script", "empty", "elf"}) {
            CAPTURE(name);
            auto const error = std::errc::executable_format_error;
            check_fails(with(config, command(folder.path(name))), error, spawn_stage::exec);
            check_fails(with(config, command(name).env("PATH", folder.path())), error, spawn_stage::exec);
        }
        CHECK_FALSE(std::filesystem::exists(folder.path("touched")));
    });
}

TEST_CASE("spawn errors: a malformed command fails before any file is opened")
{
    scratch_folder folder;
    auto const with_file = [&](command cmd) {
        return std::move(cmd.out(stdio::file(folder.path("out"), open_mode::write)));
    };
    struct {
        std::string_view name;
        command cmd;
        errc error;
    } const rows[] = {
        {"NUL in the program", command("tr\0ue"s), errc::nul_byte},
        {"NUL in an argument", command("true", "\0"s), errc::nul_byte},
        {"NUL in arg0", command("true").arg0("\0"s), errc::nul_byte},
        {"NUL in the directory", command("true").current_dir("/\0"s), errc::nul_byte},
        {"NUL in a key", command("true").env("K\0"s, "v"), errc::nul_byte},
        {"NUL in a removed key", command("true").env_remove("K\0"s), errc::nul_byte},
        {"NUL in a value", command("true").env("K", "\0"s), errc::nul_byte},
        {"NUL in a file", command("true").in(stdio::file("/dev/null\0"s, open_mode::read)), errc::nul_byte},
        {"empty program", command(""), errc::empty_program},
        {"empty key", command("true").env("", "v"), errc::invalid_environment_key},
        {"= in a key", command("true").env("K=", "v"), errc::invalid_environment_key},
        {"= in a removed key", command("true").env_remove("="), errc::invalid_environment_key},
    };
    for_each_config([&](backend_config const& config) {
        for (auto const& row : rows) {
            CAPTURE(row.name);
            auto const ec = spawn_error(with_file(with(config, row.cmd)));
            CHECK(ec == row.error);
            CHECK(ec == std::errc::invalid_argument);
            CHECK(stage_of(ec) == std::nullopt);
        }
        auto const session_and_group = with_file(with(config, command("true").session().process_group()));
        check_fails(session_and_group, std::errc::invalid_argument, spawn_stage::prepare);
        auto const negative = with_file(with(config, command("true").fd(-1, stdio::null())));
        check_fails(negative, std::errc::invalid_argument, spawn_stage::prepare);
    });
    CHECK_FALSE(std::filesystem::exists(folder.path("out")));
}

TEST_CASE("spawn errors: oversized arguments and environments fail with stage exec")
{
    std::string const too_long(256 * 1024, 'x'); // for one string
    std::vector<std::string> const too_many(100, std::string(100 * 1024, 'x'));
    for_each_config([&](backend_config const& config) {
        auto const error = std::errc::argument_list_too_long;
        check_fails(probe(config, "arguments", too_long), error, spawn_stage::exec);
        check_fails(probe(config, "arguments").args(too_many), error, spawn_stage::exec);
        check_fails(probe(config, "arguments").arg0(too_long), error, spawn_stage::exec);
        check_fails(probe(config, "arguments").env("K", too_long), error, spawn_stage::exec);
        check_fails(with(config, command("true", too_long)), error, spawn_stage::exec);
    });
}

TEST_CASE("spawn errors: a failed spawn keeps passed descriptors and the signal mask")
{
    scratch_folder folder;
    folder.write("content", "content");
    open_file const marked(folder.path("content"), O_RDONLY | O_CLOEXEC);
    open_file const plain(folder.path("content"), O_RDWR | O_APPEND | O_NONBLOCK);
    ::lseek(marked, 3, SEEK_SET);
    auto const marked_state = state_of(marked), plain_state = state_of(plain);
    scoped_block const blocked({SIGUSR1, SIGTERM});
    for_each_config([&](backend_config const& config) {
        auto const full_command = [&](std::string_view program) {
            auto cmd = with(config, command(program));
            cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::piped()).fd(7, stdio::fd(marked));
            cmd.fd(8, stdio::fd(plain)).fd(9, stdio::null()).fd(10, stdio::same_as(7));
            cmd.fd(marked, stdio::fd(plain)).fd(plain, stdio::fd(marked)); // a swap
            return cmd.process_group().signal_mask({SIGINT});
        };
        auto const missing = std::errc::no_such_file_or_directory;
        check_fails(full_command("/nowhere"), missing, spawn_stage::exec);
        check_fails(full_command("true").current_dir("/nowhere"), missing, spawn_stage::directory);
        check_fails(full_command("true").fd(11, stdio::file("/nowhere", open_mode::read)), missing, spawn_stage::stdio);
        check_fails(full_command("true").fd(11, stdio::fd(999)), std::errc::bad_file_descriptor, spawn_stage::stdio);
        check_fails(full_command("true").signal_mask({0}), std::errc::invalid_argument, spawn_stage::signals);
        CHECK(state_of(marked) == marked_state);
        CHECK(state_of(plain) == plain_state);
    });
}

TEST_CASE("spawn errors: 100 failed spawns lose no exit of 10 live children")
{
    for_each_config([&](backend_config const& config) {
        run([&]() -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            std::vector<child> children;
            for (int code = 1; code <= 10; ++code) {
                auto cmd = probe(config, "wait", std::to_string(code));
                children.push_back(spawn(ex, cmd.in(stdio::piped()).out(stdio::piped())).value());
                CHECK(co_await read_line(children.back().out()) == "ready");
            }
            int failures = 0;
            for (int i = 0; i < 100; ++i) {
                auto const missing = with(config, command(i % 2 ? "/nowhere" : "/").out(stdio::piped()));
                auto const failed = spawn(ex, missing);
                failures += failed.has_error() && stage_of(failed.error()) == spawn_stage::exec;
                if (i % 20 == 10) // some children exit meanwhile
                    children[static_cast<std::size_t>(i / 20)].in().close();
            }
            CHECK(failures == 100);
            for (int code = 1; code <= 10; ++code) {
                CAPTURE(code);
                auto& child = children[static_cast<std::size_t>(code - 1)];
                child.in().close();
                auto const status = co_await child.async_wait();
                CHECK(status.code() == code);
            }
        }());
        CHECK_FALSE(has_children());
    });
}

TEST_CASE("spawn errors: reported correctly if standard streams of the parent are closed")
{
    for_each_config([&](backend_config const& config) {
        std::array<command, 4> commands{
            with(config, command("/nowhere")), with(config, command("true").current_dir("/nowhere")),
            with(config, command("/nowhere").in(stdio::null()).out(stdio::piped()).err(stdio::same_as(1))),
            with(config, command("/nowhere").fd(3, stdio::null()).fd(4, stdio::null()).fd(5, stdio::null()))};
        std::array<std::array<error_code, 8>, 4> errors;
        for (std::size_t i = 0; i < commands.size(); ++i) {
            for (unsigned closed = 0; closed < 8; ++closed) {
                standard_streams without(closed);
                asio::io_context context;
                auto const child = spawn(context, commands[i]);
                errors[i][closed] = child ? error_code() : child.error();
            }
        }
        CHECK_FALSE(has_children());
        for (std::size_t i = 0; i < commands.size(); ++i) {
            for (unsigned closed = 0; closed < 8; ++closed) {
                CAPTURE(i);
                CAPTURE(closed);
                CAPTURE(errors[i][closed].message());
                CHECK(errors[i][closed] == std::errc::no_such_file_or_directory);
                CHECK(stage_of(errors[i][closed]) == (i == 1 ? spawn_stage::directory : spawn_stage::exec));
            }
        }
    });
}

TEST_CASE("spawn errors: reported correctly if mappings use the library's descriptor numbers")
{
    for_each_config([&](backend_config const& config) {
        auto const missing = with(config, command("/nowhere").out(stdio::piped()));
        auto all = missing;
        for (int fd = 3; fd <= 40; ++fd) {
            CAPTURE(fd);
            all.fd(fd, stdio::null());
            auto single = missing;
            single.fd(fd, stdio::null());
            check_fails(single, std::errc::no_such_file_or_directory, spawn_stage::exec);
            check_fails(all, std::errc::no_such_file_or_directory, spawn_stage::exec);
        }
        check_fails(all.current_dir("/nowhere"), std::errc::no_such_file_or_directory, spawn_stage::directory);
    });
}

TEST_CASE("spawn errors: success if mappings use the library's descriptor numbers")
{
    for_each_backend([&](backend_config const& config) {
        auto all = probe(config, "exit", "7");
        for (int fd = 3; fd <= 40; ++fd) {
            CAPTURE(fd);
            all.fd(fd, stdio::null());
            auto single = probe(config, "exit", "7");
            single.fd(fd, stdio::null());
            for (auto const& cmd : {single, all}) {
                asio::io_context context;
                auto child = spawn(context, cmd);
                REQUIRE(child);
                CHECK(child.value().wait().value().code() == 7);
            }
        }
    });
}

TEST_CASE("spawn errors: a descriptor number beyond the limit fails with stage stdio")
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    REQUIRE(limit.rlim_cur < 1 << 30);
    for_each_config([&](backend_config const& config) {
        for (int const fd : {static_cast<int>(limit.rlim_cur), 1 << 30, INT_MAX}) {
            CAPTURE(fd);
            auto const ec = spawn_error(probe(config, "exit", "0").fd(fd, stdio::null()));
            CAPTURE(ec.message());
            CHECK(ec == std::errc::bad_file_descriptor);
            CHECK(stage_of(ec) == spawn_stage::stdio);
        }
    });
}

TEST_CASE("spawn errors: near the descriptor limit, a spawn succeeds or fails cleanly with a stage")
{
    open_file const a("/dev/null", O_RDWR | O_CLOEXEC), b("/dev/null", O_RDWR | O_CLOEXEC);
    for_each_config([&](backend_config const& config) {
        // The program itself can fail for lack of descriptors. Its messages are discarded.
        auto const quiet = probe(config, "exit", "0").err(stdio::fd(a));
        std::array<command, 4> commands{quiet, quiet, quiet, quiet};
        commands[1].in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
        commands[2].in(stdio::null()).fd(5, stdio::null()).fd(6, stdio::fd(0)).fd(7, stdio::fd(1));
        commands[3].fd(a, stdio::fd(b)).fd(b, stdio::fd(a)); // a swap needs a spare
        for (std::size_t i = 0; i < commands.size(); ++i) {
            CAPTURE(i);
            leak_check const leaks;
            asio::io_context context;
            asio::readable_pipe first(context); // opens the descriptors of the context
            int failures = 0;
            std::optional<exit_status> last;
            for (rlim_t const limit : tight_limits()) {
                CAPTURE(limit);
                auto const before = open_descriptors();
                auto const result = spawn_within(limit, context, commands[i]);
                CHECK_FALSE(has_children());
                CHECK(open_descriptors() == before);
                last = result.status;
                if (result.status)
                    continue;
                ++failures;
                auto const& ec = result.error;
                CAPTURE(ec.message());
                bool const clean = ec == std::errc::too_many_files_open || ec == std::errc::bad_file_descriptor ||
                                   ec == std::errc::not_supported;
                CHECK(clean);
                CHECK(stage_of(ec));
            }
            REQUIRE(last); // with a sufficient limit
            CHECK(last->success());
            CHECK((failures > 0 || i == 0));
        }
    });
}

TEST_CASE("spawn errors: too few descriptors for a new context are an error of the spawn")
{
    for_each_config([&](backend_config const& config) {
        auto const cmd = probe(config, "exit", "0").in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
        std::optional<exit_status> last;
        for (rlim_t const limit : tight_limits()) {
            CAPTURE(limit);
            bool thrown = false;
            attempt result;
            try {
                asio::io_context context;
                result = spawn_within(limit, context, cmd);
            } catch (std::exception const&) {
                thrown = true;
            }
            CHECK_FALSE(thrown);
            CHECK((thrown || result.status || stage_of(result.error)));
            CHECK_FALSE(has_children());
            last = result.status;
        }
        REQUIRE(last); // with a sufficient limit
        CHECK(last->success());
    });
}

TEST_CASE("spawn errors: reported if SIGCHLD is ignored")
{
    for_each_config([&](backend_config const& config) {
        scoped_action const ignored(SIGCHLD, SIG_IGN);
        check_fails(with(config, command("/nowhere")), std::errc::no_such_file_or_directory, spawn_stage::exec);
        check_fails(
            with(config, command("true").current_dir("/nowhere")), std::errc::no_such_file_or_directory,
            spawn_stage::directory);
        check_fails(with(config, command("/")), std::errc::permission_denied, spawn_stage::exec);
    });
}

TEST_CASE("spawn errors: reported if signals are blocked")
{
    std::initializer_list<int> const signals{SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGALRM, SIGVTALRM};
    scoped_block const blocked(signals);
    for_each_config([&](backend_config const& config) {
        check_fails(with(config, command("/nowhere")), std::errc::no_such_file_or_directory, spawn_stage::exec);
    });
}

TEST_CASE("spawn errors: a backend without support for an option fails and creates no child")
{
    using enum spawn_backend;
    int hook_calls = 0;
    auto const hook = [&] {
        ++hook_calls;
        return error_code();
    };
    auto const plain = [] { return command(probe_path(), "exit", "0"); };
    struct {
        std::string_view name;
        command cmd;
        std::vector<spawn_backend> unsupported_by;
    } const rows[] = {
        {"user", plain().user(::getuid()), {posix_spawn}},
        {"group", plain().group(::getgid()), {posix_spawn}},
        {"groups", plain().groups({::getgid()}), {posix_spawn}},
        {"hook", plain().pre_exec(hook), {posix_spawn, vfork}},
        {"umask", plain().umask(022), {posix_spawn}},
        {"limit", plain().limit(RLIMIT_CORE, 0, 0), {posix_spawn}},
        {"nice", plain().nice(1), {posix_spawn}},
        {"affinity", plain().affinity({0}), {posix_spawn}},
        {"parent-death signal", plain().parent_death_signal(SIGTERM), {posix_spawn}},
        {"no new privileges", plain().no_new_privileges(), {posix_spawn}},
        {"ambient capabilities", plain().ambient_capabilities({0}), {posix_spawn}},
    };
    for_each_config([&](backend_config const& config) {
        for (auto const& row : rows) {
            if (std::find(row.unsupported_by.begin(), row.unsupported_by.end(), config.backend) ==
                row.unsupported_by.end())
                continue;
            CAPTURE(row.name);
            REQUIRE(eventually([] { return !has_children(); }));
            leak_check const leaks;
            scoped_action const counter(SIGCHLD, [](int) { ++sigchld_count; });
            sigchld_count = 0;
            check_fails(with(config, row.cmd), std::errc::not_supported, spawn_stage::prepare);
            CHECK(sigchld_count == 0);
        }
    });
    CHECK(hook_calls == 0);
}

TEST_CASE("spawn errors: a failed child raises SIGCHLD, as the previous test assumes")
{
    REQUIRE(eventually([] { return !has_children(); }));
    scoped_action const counter(SIGCHLD, [](int) { ++sigchld_count; });
    sigchld_count = 0;
    auto const missing = command("/nowhere").backend(spawn_backend::fork);
    check_fails(missing, std::errc::no_such_file_or_directory, spawn_stage::exec);
    CHECK(eventually([] { return sigchld_count > 0; }));
}

// The report of a failure and the pidfd pass between the child and the parent. Each call may be refused.
TEST_CASE("spawn errors: a failed exec is reported whichever message is refused" * doctest::skip(!can_deny_syscalls()))
{
    leak_check const leaks;
    for (bool relay : {false, true}) {
        if (relay && ::geteuid() != 0)
            continue;
        for (std::string const call : {"sendmsg", "recvmsg", "write", "read", "sendto"})
            for (std::string const error : {"EPERM", "ENOMEM", "EIO", "ETOOMANYREFS"}) {
                CAPTURE(relay);
                CAPTURE(call);
                CAPTURE(error);
                forked copy([&] {
                    deny_syscalls(call + "=" + error);
                    asio::io_context context;
                    command missing("/nowhere");
                    relay ? missing.group(::getegid()) : missing.backend(spawn_backend::fork);
                    auto const child = spawn(context, missing);
                    return !child && stage_of(child.error()) && !has_children();
                });
                CHECK(copy.succeeds());
            }
    }
}

TEST_CASE(
    "spawn errors: a process that cannot be created is reported with stage clone by every backend" *
    doctest::skip(!can_deny_syscalls()))
{
    leak_check const leaks;
    for (auto const& row :
         {std::pair("EAGAIN", std::errc::resource_unavailable_try_again), {"ENOMEM", std::errc::not_enough_memory}})
        for (auto const& config : all_backends()) {
            CAPTURE(row.first);
            CAPTURE(config);
            forked copy([&] {
                deny_syscalls(std::string("fork=") + row.first);
                auto const refused = [&](error_code ec) {
                    return ec == row.second && stage_of(ec) == spawn_stage::clone;
                };
                asio::io_context context;
                auto const cmd = probe(config, "exit", "0");
                error_code later;
                async_spawn(context, cmd, [&](error_code ec, child) { later = ec; });
                context.run_for(60s);
                return refused(spawn(context, cmd).error()) && refused(later) && !has_children();
            });
            CHECK(copy.succeeds());
        }
}

TEST_CASE("spawn errors: a failed exec is reported if too many descriptors are in flight")
{
    if (!knows_linux())
        return;
    forked copy([] {
        ordinary_user const user;
        rlimit const few{64, 64};
        int ends[2];
        if (!user || ::setrlimit(RLIMIT_NOFILE, &few) < 0 || ::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0)
            return false;
        for (int i = 0; i < 100; ++i)
            if (!send_descriptor(ends[0], ends[1]) && errno == ETOOMANYREFS)
                break;
        asio::io_context context;
        auto const child = spawn(context, command("/nowhere").backend(spawn_backend::fork));
        return !child && child.error() == std::errc::no_such_file_or_directory && !has_children();
    });
    CHECK(copy.succeeds());
}

TEST_CASE("spawn errors: with a bad directory, every backend reports the directory first")
{
    for_each_backend([&](backend_config const& config) {
        command missing("brood-test-missing");
        missing.current_dir("/nowhere").backend(config.backend);
        auto const error = failure_of(missing);
        CHECK(stage_of(error) == spawn_stage::directory);
        CHECK(error == std::errc::no_such_file_or_directory);
    });
}

TEST_SUITE_END();
