// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/standard_streams.hpp"
#include "support/support.hpp"

#include <boost/asio/readable_pipe.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <exception>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;
using namespace std::string_literals;

namespace {

command by(way const& w, command cmd) { return std::move(cmd.backend(w.backend).reaper(w.reaper)); }

// The error of a spawn that must fail, and leave nothing: no child, no descriptor, no other mask.
error_code refusal(command const& cmd)
{
    leaves_nothing guard;
    asio::io_context context;
    auto const started = spawn(context, cmd);
    CHECK_FALSE(started);
    CHECK_FALSE(has_children());
    return started ? error_code() : started.error();
}

void check_fails(command const& cmd, std::errc with, spawn_stage at)
{
    auto const ec = refusal(cmd);
    CAPTURE(ec.message());
    CHECK(ec == with);
    CHECK(stage_of(ec) == at);
}

// A descriptor closed at the end of its scope.
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

struct descriptor_facts {
    int flags, status;
    off_t position;
    ino_t file;

    friend bool operator==(descriptor_facts const&, descriptor_facts const&) = default;
};

descriptor_facts facts(int fd)
{
    struct stat about {};
    ::fstat(fd, &about);
    return {::fcntl(fd, F_GETFD), ::fcntl(fd, F_GETFL), ::lseek(fd, 0, SEEK_CUR), about.st_ino};
}

// The action of a signal, until the end of the scope.
class handled {
public:
    handled(int signal, void (*handler)(int)) : signal_(signal)
    {
        struct sigaction action {};
        action.sa_handler = handler;
        action.sa_flags = SA_RESTART;
        ::sigaction(signal_, &action, &before_);
    }
    ~handled() { ::sigaction(signal_, &before_, nullptr); }
    handled(handled const&) = delete;
    handled& operator=(handled const&) = delete;

private:
    int signal_;
    struct sigaction before_ {};
};

// Signals blocked in this thread, until the end of the scope.
class blocked {
public:
    explicit blocked(std::initializer_list<int> signals)
    {
        sigset_t set;
        sigemptyset(&set);
        for (int signal : signals)
            sigaddset(&set, signal);
        ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    }
    ~blocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    blocked(blocked const&) = delete;
    blocked& operator=(blocked const&) = delete;

private:
    sigset_t before_;
};

// The soft limit on descriptors' numbers, until the end of the scope.
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

// Limits that leave no number free, then one, two and so on, until there are enough for anything.
std::vector<rlim_t> limits_of_note()
{
    auto const open = open_descriptors();
    std::vector<rlim_t> limits{0, 1, 2, 3};
    for (int fd = 4; limits.size() < 24; ++fd)
        if (!std::binary_search(open.begin(), open.end(), fd))
            limits.push_back(static_cast<rlim_t>(fd));
    return limits;
}

struct attempt {
    std::optional<exit_status> status{}; // of the child, where there was one
    error_code error{};
};

attempt spawn_within(rlim_t descriptors, asio::io_context& context, command const& cmd)
{
    descriptor_limit limit(descriptors);
    auto started = spawn(context, cmd);
    if (!started)
        return {std::nullopt, started.error()};
    return {started.value().wait().value(), {}};
}

std::atomic<int> children_ended = 0;

} // namespace

TEST_SUITE_BEGIN("spawn errors");

TEST_CASE("a program that can't be executed is told with its errno, and stage exec")
{
    scratch_folder folder;
    folder.write("plain", "#!/bin/sh\n", 0644);
    folder.write("orphan", "#!/nowhere/at/all\n", 0755);
    std::filesystem::create_symlink("circle", folder.path("circle"));
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
        {folder.path("orphan"), std::errc::no_such_file_or_directory},
        {folder.path(), std::errc::permission_denied},
        {"/", std::errc::permission_denied},
        {folder.path("plain"), std::errc::permission_denied},
        {folder.path("plain/below"), std::errc::not_a_directory},
        {folder.path("circle"), std::errc::too_many_symbolic_link_levels},
        {"/" + std::string(NAME_MAX + 1, 'x'), std::errc::filename_too_long},
        {"/" + std::string(PATH_MAX, 'x'), std::errc::filename_too_long},
    };
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        for (auto const& row : rows) {
            CAPTURE(row.program);
            check_fails(by(w, command(row.program)), row.error, spawn_stage::exec);
            check_fails(by(w, command(row.program, "x").current_dir("/")), row.error, spawn_stage::exec);
        }
    }
}

TEST_CASE("without a choice of backend and reaper the error is the same")
{
    check_fails(command("/nowhere"), std::errc::no_such_file_or_directory, spawn_stage::exec);
    check_fails(command("/"), std::errc::permission_denied, spawn_stage::exec);
    check_fails(command("true").current_dir("/nowhere"), std::errc::no_such_file_or_directory, spawn_stage::directory);
}

TEST_CASE("a directory that can't be entered is told as that, and not as exec")
{
    scratch_folder folder;
    folder.write("plain", "");
    std::filesystem::create_symlink("circle", folder.path("circle"));
    struct {
        std::string directory;
        std::errc error;
    } const rows[] = {
        {"/nowhere/at/all", std::errc::no_such_file_or_directory},
        {"brood-test-missing", std::errc::no_such_file_or_directory},
        {"", std::errc::no_such_file_or_directory},
        {folder.path("plain"), std::errc::not_a_directory},
        {folder.path("plain/below"), std::errc::not_a_directory},
        {folder.path("circle"), std::errc::too_many_symbolic_link_levels},
        {"/" + std::string(NAME_MAX + 1, 'x'), std::errc::filename_too_long},
    };
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        for (auto const& row : rows) {
            CAPTURE(row.directory);
            check_fails(probe(w, "exit", "0").current_dir(row.directory), row.error, spawn_stage::directory);
            check_fails(by(w, command("/nowhere").current_dir(row.directory)), row.error, spawn_stage::directory);
            check_fails(by(w, command("true").current_dir(row.directory)), row.error, spawn_stage::directory);
        }
        check_fails(
            by(w, command("/nowhere").current_dir(folder.path())), std::errc::no_such_file_or_directory,
            spawn_stage::exec);
    }
}

TEST_CASE("a file without a format is refused by all, and no shell is tried")
{
    scratch_folder folder;
    folder.write("script", "touch " + folder.path("touched") + "\n", 0755);
    folder.write("empty", "", 0755);
    folder.write(
        "elf",
        "\x7f"
        "ELF",
        0755);
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        for (std::string const name : {"script", "empty", "elf"}) {
            CAPTURE(name);
            auto const error = std::errc::executable_format_error;
            check_fails(by(w, command(folder.path(name))), error, spawn_stage::exec);
            check_fails(by(w, command(name).env("PATH", folder.path())), error, spawn_stage::exec);
        }
        CHECK_FALSE(std::filesystem::exists(folder.path("touched")));
    }
}

TEST_CASE("a malformed command is refused before anything is opened")
{
    scratch_folder folder;
    auto const untouched = [&](command cmd) {
        return std::move(cmd.out(stdio::file(folder.path("made"), open_mode::write)));
    };
    struct {
        std::string_view what;
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
        {"no program", command(""), errc::empty_program},
        {"no key", command("true").env("", "v"), errc::invalid_environment_key},
        {"= in a key", command("true").env("K=", "v"), errc::invalid_environment_key},
        {"= in a removed key", command("true").env_remove("="), errc::invalid_environment_key},
    };
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        for (auto const& row : rows) {
            CAPTURE(row.what);
            auto const ec = refusal(untouched(by(w, row.cmd)));
            CHECK(ec == row.error);
            CHECK(ec == std::errc::invalid_argument);
            CHECK(stage_of(ec) == std::nullopt);
        }
        auto const both = untouched(by(w, command("true").session().process_group()));
        check_fails(both, std::errc::invalid_argument, spawn_stage::prepare);
        auto const negative = untouched(by(w, command("true").fd(-1, stdio::null())));
        check_fails(negative, std::errc::invalid_argument, spawn_stage::prepare);
    }
    CHECK_FALSE(std::filesystem::exists(folder.path("made")));
}

TEST_CASE("arguments or an environment too long for the system are told")
{
    std::string const too_long(256 * 1024, 'x'); // for one string
    std::vector<std::string> const too_many(100, std::string(100 * 1024, 'x'));
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto const error = std::errc::argument_list_too_long;
        check_fails(probe(w, "arguments", too_long), error, spawn_stage::exec);
        check_fails(probe(w, "arguments").args(too_many), error, spawn_stage::exec);
        check_fails(probe(w, "arguments").arg0(too_long), error, spawn_stage::exec);
        check_fails(probe(w, "arguments").env("K", too_long), error, spawn_stage::exec);
        check_fails(by(w, command("true", too_long)), error, spawn_stage::exec);
    }
}

TEST_CASE("a failed spawn leaves passed descriptors as they were, and the mask")
{
    scratch_folder folder;
    folder.write("content", "content");
    open_file const marked(folder.path("content"), O_RDONLY | O_CLOEXEC);
    open_file const plain(folder.path("content"), O_RDWR | O_APPEND | O_NONBLOCK);
    ::lseek(marked, 3, SEEK_SET);
    auto const marked_before = facts(marked), plain_before = facts(plain);
    blocked some({SIGUSR1, SIGTERM});
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto const with_all = [&](std::string_view program) {
            auto cmd = by(w, command(program));
            cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::piped()).fd(7, stdio::fd(marked));
            cmd.fd(8, stdio::fd(plain)).fd(9, stdio::null()).fd(10, stdio::same_as(7));
            cmd.fd(marked, stdio::fd(plain)).fd(plain, stdio::fd(marked)); // a swap
            return cmd.process_group().signal_mask({SIGINT});
        };
        auto const missing = std::errc::no_such_file_or_directory;
        check_fails(with_all("/nowhere"), missing, spawn_stage::exec);
        check_fails(with_all("true").current_dir("/nowhere"), missing, spawn_stage::directory);
        check_fails(with_all("true").fd(11, stdio::file("/nowhere", open_mode::read)), missing, spawn_stage::stdio);
        check_fails(with_all("true").fd(11, stdio::fd(999)), std::errc::bad_file_descriptor, spawn_stage::stdio);
        check_fails(with_all("true").signal_mask({0}), std::errc::invalid_argument, spawn_stage::signals);
        CHECK(facts(marked) == marked_before);
        CHECK(facts(plain) == plain_before);
    }
}

TEST_CASE("100 failed spawns beside 10 live children lose no exit")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        run([](way how) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            std::vector<child> children;
            for (int code = 1; code <= 10; ++code) {
                auto cmd = probe(how, "wait", std::to_string(code));
                children.push_back(spawn(ex, cmd.in(stdio::piped()).out(stdio::piped())).value());
                CHECK(co_await read_line(children.back().out()) == "ready");
            }
            int told = 0;
            for (int i = 0; i < 100; ++i) {
                auto const missing = by(how, command(i % 2 ? "/nowhere" : "/").out(stdio::piped()));
                auto const failed = spawn(ex, missing);
                told += failed.has_error() && stage_of(failed.error()) == spawn_stage::exec;
                if (i % 20 == 10) // some end meanwhile
                    children[static_cast<std::size_t>(i / 20)].in().close();
            }
            CHECK(told == 100);
            for (int code = 1; code <= 10; ++code) {
                CAPTURE(code);
                auto& one = children[static_cast<std::size_t>(code - 1)];
                one.in().close();
                auto const status = co_await one.async_wait();
                CHECK(status.code() == code);
            }
        }(w));
        CHECK_FALSE(has_children());
    }
}

TEST_CASE("a failure is told right whichever of the parent's streams are closed")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::array<command, 4> commands{
            by(w, command("/nowhere")), by(w, command("true").current_dir("/nowhere")),
            by(w, command("/nowhere").in(stdio::null()).out(stdio::piped()).err(stdio::same_as(1))),
            by(w, command("/nowhere").fd(3, stdio::null()).fd(4, stdio::null()).fd(5, stdio::null()))};
        std::array<std::array<error_code, 8>, 4> told;
        for (std::size_t i = 0; i < commands.size(); ++i) {
            for (unsigned closed = 0; closed < 8; ++closed) {
                standard_streams without(closed);
                asio::io_context context;
                auto const started = spawn(context, commands[i]);
                told[i][closed] = started ? error_code() : started.error();
            }
        }
        CHECK_FALSE(has_children());
        for (std::size_t i = 0; i < commands.size(); ++i) {
            for (unsigned closed = 0; closed < 8; ++closed) {
                CAPTURE(i);
                CAPTURE(closed);
                CAPTURE(told[i][closed].message());
                CHECK(told[i][closed] == std::errc::no_such_file_or_directory);
                CHECK(stage_of(told[i][closed]) == (i == 1 ? spawn_stage::directory : spawn_stage::exec));
            }
        }
    }
}

TEST_CASE("a failure is told right though a mapping takes the number of a descriptor of the library's")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto const missing = by(w, command("/nowhere").out(stdio::piped()));
        auto all = missing;
        for (int fd = 3; fd <= 40; ++fd) {
            CAPTURE(fd);
            all.fd(fd, stdio::null());
            auto one = missing;
            one.fd(fd, stdio::null());
            check_fails(one, std::errc::no_such_file_or_directory, spawn_stage::exec);
            check_fails(all, std::errc::no_such_file_or_directory, spawn_stage::exec);
        }
        check_fails(all.current_dir("/nowhere"), std::errc::no_such_file_or_directory, spawn_stage::directory);
    }
}

TEST_CASE("a success is a success though a mapping takes the number of a descriptor of the library's")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto all = probe(w, "exit", "7");
        for (int fd = 3; fd <= 40; ++fd) {
            CAPTURE(fd);
            all.fd(fd, stdio::null());
            auto one = probe(w, "exit", "7");
            one.fd(fd, stdio::null());
            for (auto const& cmd : {one, all}) {
                asio::io_context context;
                auto started = spawn(context, cmd);
                REQUIRE(started);
                CHECK(started.value().wait().value().code() == 7);
            }
        }
    }
}

TEST_CASE("a number that no descriptor can have is a clean error")
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    REQUIRE(limit.rlim_cur < 1 << 30);
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        for (int const fd : {static_cast<int>(limit.rlim_cur), 1 << 30, INT_MAX}) {
            CAPTURE(fd);
            auto const ec = refusal(probe(w, "exit", "0").fd(fd, stdio::null()));
            CAPTURE(ec.message());
            if (w.backend == spawn_backend::posix_spawn) {
                CHECK(ec == std::errc::not_supported); // libc has no words for it
                CHECK(stage_of(ec) == spawn_stage::prepare);
            } else {
                CHECK((ec == std::errc::bad_file_descriptor || ec == std::errc::too_many_files_open));
                CHECK(stage_of(ec));
            }
        }
    }
}

TEST_CASE("with few descriptors left a spawn either succeeds or tells a stage, and leaves nothing")
{
    open_file const a("/dev/null", O_RDWR | O_CLOEXEC), b("/dev/null", O_RDWR | O_CLOEXEC);
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        // The program itself may find too few, and complain.
        auto const quiet = probe(w, "exit", "0").err(stdio::fd(a));
        std::array<command, 4> commands{quiet, quiet, quiet, quiet};
        commands[1].in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
        commands[2].in(stdio::null()).fd(5, stdio::null()).fd(6, stdio::fd(0)).fd(7, stdio::fd(1));
        commands[3].fd(a, stdio::fd(b)).fd(b, stdio::fd(a)); // a swap takes a spare
        for (std::size_t i = 0; i < commands.size(); ++i) {
            CAPTURE(i);
            leaves_nothing guard;
            asio::io_context context;
            asio::readable_pipe first(context); // has made the loop open what it needs itself
            int failures = 0;
            std::optional<exit_status> last;
            for (rlim_t const left : limits_of_note()) {
                CAPTURE(left);
                auto const before = open_descriptors();
                auto const told = spawn_within(left, context, commands[i]);
                CHECK_FALSE(has_children());
                CHECK(open_descriptors() == before);
                last = told.status;
                if (told.status)
                    continue;
                ++failures;
                auto const& ec = told.error;
                CAPTURE(ec.message());
                bool const clean = ec == std::errc::too_many_files_open || ec == std::errc::bad_file_descriptor ||
                                   ec == std::errc::not_supported;
                CHECK(clean);
                CHECK(stage_of(ec));
            }
            REQUIRE(last); // with many left
            CHECK(last->success());
            CHECK((failures > 0 || i == 0));
        }
    }
}

TEST_CASE("a fresh loop that finds too few descriptors for itself is an error of the spawn, too")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const cmd = probe(w, "exit", "0").in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
        std::optional<exit_status> last;
        for (rlim_t const left : limits_of_note()) {
            CAPTURE(left);
            bool thrown = false;
            attempt told;
            try {
                asio::io_context context;
                told = spawn_within(left, context, cmd);
            } catch (std::exception const&) {
                thrown = true;
            }
            CHECK_FALSE(thrown);
            CHECK((thrown || told.status || stage_of(told.error)));
            CHECK_FALSE(has_children());
            last = told.status;
        }
        REQUIRE(last); // with many left
        CHECK(last->success());
    }
}

TEST_CASE("a failure is told with SIGCHLD ignored, too")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        handled ignored(SIGCHLD, SIG_IGN);
        check_fails(by(w, command("/nowhere")), std::errc::no_such_file_or_directory, spawn_stage::exec);
        check_fails(
            by(w, command("true").current_dir("/nowhere")), std::errc::no_such_file_or_directory,
            spawn_stage::directory);
        check_fails(by(w, command("/")), std::errc::permission_denied, spawn_stage::exec);
    }
}

TEST_CASE("a failure is told with every signal blocked, too")
{
    std::initializer_list<int> const all{SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGALRM, SIGRTMIN};
    blocked most(all);
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        check_fails(by(w, command("/nowhere")), std::errc::no_such_file_or_directory, spawn_stage::exec);
    }
}

TEST_CASE("a forced backend without words for a command says so, and makes no child")
{
    using enum spawn_backend;
    int hooked = 0;
    auto const hook = [&] {
        ++hooked;
        return error_code();
    };
    auto const plain = [] { return command(probe_path(), "exit", "0"); };
    struct {
        std::string_view what;
        command cmd;
        std::vector<spawn_backend> without;
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
        {"privileges given up", plain().no_new_privileges(), {posix_spawn}},
    };
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        for (auto const& row : rows) {
            if (std::find(row.without.begin(), row.without.end(), w.backend) == row.without.end())
                continue;
            CAPTURE(row.what);
            REQUIRE(eventually([] { return !has_children(); }));
            leaves_nothing guard;
            handled counted(SIGCHLD, [](int) { ++children_ended; });
            children_ended = 0;
            check_fails(by(w, row.cmd), std::errc::not_supported, spawn_stage::prepare);
            CHECK(children_ended == 0);
        }
    }
    CHECK(hooked == 0);
}

TEST_CASE("a child that fails does end, as the counting above needs it")
{
    REQUIRE(eventually([] { return !has_children(); }));
    handled counted(SIGCHLD, [](int) { ++children_ended; });
    children_ended = 0;
    auto const forked = command("/nowhere").backend(spawn_backend::fork);
    check_fails(forked, std::errc::no_such_file_or_directory, spawn_stage::exec);
    CHECK(eventually([] { return children_ended > 0; }));
}

TEST_SUITE_END();
