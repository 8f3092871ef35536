// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"
#include "spawn/launcher.hpp"
#include "support/beside_other_spawns.hpp"
#include "support/deny_syscalls.hpp"
#include "support/forked.hpp"
#include "support/standard_streams.hpp"
#include "support/support.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/write.hpp>

#include <brood/child_group.hpp>
#include <brood/pipeline.hpp>

#include <array>
#include <filesystem>
#include <functional>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// An open file.
class open_file {
public:
    explicit open_file(std::string const& path, int flags = O_RDWR | O_CREAT | O_CLOEXEC)
        : fd_(::open(path.c_str(), flags, 0644))
    {
        REQUIRE(fd_ >= 0);
    }
    open_file(open_file&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~open_file() { ::close(fd_); }

    operator int() const { return fd_; }

private:
    int fd_;
};

// The device and inode of a descriptor, in the format of the probe's `files`.
std::string identity(int fd)
{
    struct stat about {};
    if (::fstat(fd, &about) < 0)
        return "closed";
    return std::to_string(about.st_dev) + ":" + std::to_string(about.st_ino);
}

exit_status run_to_exit(command const& cmd)
{
    asio::io_context context;
    auto child = spawn(context, cmd);
    REQUIRE(child);
    return child.value().wait().value();
}

// The descriptor of the probe's report, above all mapped ones.
constexpr int report = 40;
constexpr auto to_report = "--to=40";

// The identities of the child's descriptors. The probe reports them in a file.
std::vector<std::string> files_in_child(command cmd, scratch_folder const& folder)
{
    cmd.fd(report, stdio::file(folder.path("report"), open_mode::write));
    CHECK(run_to_exit(cmd).success());
    return split(folder.read("report"), ' ');
}

// Sets the soft limit of descriptor numbers and restores it.
class descriptor_limit {
public:
    explicit descriptor_limit(rlim_t soft)
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit const now{soft, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
    }
    ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

} // namespace

TEST_SUITE_BEGIN("fd_setup");

TEST_CASE("fd_setup: every map of the standard streams onto themselves")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        std::array<open_file, 3> const files{
            open_file(folder.path("a")), open_file(folder.path("b")), open_file(folder.path("c"))};
        std::array<std::vector<std::string>, 27> reported;
        {
            standard_streams replaced(files[0], files[1], files[2]);
            for (int map = 0; map < 27; ++map) {
                auto cmd = probe(config, to_report, "files", "0", "1", "2");
                cmd.in(stdio::fd(map % 3)).out(stdio::fd(map / 3 % 3)).err(stdio::fd(map / 9));
                reported[static_cast<std::size_t>(map)] = files_in_child(cmd, folder);
            }
        }
        for (std::size_t map = 0; map < 27; ++map) {
            CAPTURE(map);
            std::vector<std::string> const expected{
                identity(files[map % 3]), identity(files[map / 3 % 3]), identity(files[map / 9])};
            CHECK(reported[map] == expected);
        }
    });
}

TEST_CASE("fd_setup: swaps, cycles and one source for many targets")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        open_file const a(folder.path("a")), b(folder.path("b")), c(folder.path("c"));
        auto const files_after_mapping = [&](int x, int y, int z) {
            auto const text = [](int fd) { return std::to_string(fd); };
            auto cmd = probe(config, to_report, "files", text(a), text(b), text(c));
            cmd.fd(a, stdio::fd(x)).fd(b, stdio::fd(y)).fd(c, stdio::fd(z));
            return files_in_child(cmd, folder);
        };
        // The report must not use a mapped number.
        REQUIRE(std::max({int(a), int(b), int(c)}) < report);
        auto const A = identity(a), B = identity(b), C = identity(c);
        CHECK(files_after_mapping(c, a, b) == std::vector{C, A, B});
        CHECK(files_after_mapping(b, c, a) == std::vector{B, C, A});
        CHECK(files_after_mapping(b, a, c) == std::vector{B, A, C});
        CHECK(files_after_mapping(a, b, c) == std::vector{A, B, C});
        CHECK(files_after_mapping(b, b, b) == std::vector{B, B, B});
    });
}

TEST_CASE("fd_setup: works if standard streams of the parent are closed")
{
    for_each_config([&](backend_config const& config) {
        std::array<std::string, 8> copies;
        std::array<error_code, 8> errors;
        for (unsigned closed = 0; closed < 8; ++closed) {
            standard_streams without(closed);
            run([&](std::string& copy, error_code& ec) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto cmd = probe(config, "copy");
                cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::null());
                auto child = spawn(ex, cmd).value();
                co_await asio::async_write(child.in(), asio::buffer("through", 7), asio::use_awaitable);
                child.in().close();
                error_code ignored;
                co_await asio::async_read(
                    child.out(), asio::dynamic_buffer(copy), asio::redirect_error(asio::use_awaitable, ignored));
                co_await child.async_wait();
                command missing("/nowhere/at/all");
                missing.backend(config.backend).watcher(config.watcher).out(stdio::piped()).err(stdio::null());
                ec = spawn(ex, missing).error();
            }(copies[closed], errors[closed]));
        }
        for (unsigned closed = 0; closed < 8; ++closed) {
            CAPTURE(closed);
            CHECK(copies[closed] == "through");
            CHECK(errors[closed] == std::errc::no_such_file_or_directory);
            CHECK(stage_of(errors[closed]) == spawn_stage::exec);
        }
    });
}

TEST_CASE("inherit: a closed stream stays closed in the child")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        std::vector<std::string> files;
        {
            standard_streams without(1u); // standard input
            files = files_in_child(probe(config, to_report, "files", "0"), folder);
        }
        CHECK(files == std::vector<std::string>{"closed"});
    });
}

TEST_CASE("file: the child's descriptor may be the first free one")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        folder.write("x", "");
        std::vector<std::string> files;
        {
            standard_streams without(1u); // standard input
            auto cmd = probe(config, to_report, "files", "0");
            files = files_in_child(cmd.in(stdio::file(folder.path("x"), open_mode::read)), folder);
        }
        CHECK(files == std::vector<std::string>{identity(open_file(folder.path("x")))});
    });
}

TEST_CASE("file: a FIFO, which the child opens, may become the first free descriptor")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        auto const path = folder.path("fifo");
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        os::unique_fd const other_side(::open(path.c_str(), O_RDWR | O_CLOEXEC));
        std::vector<std::string> files;
        {
            standard_streams without(1u); // standard input
            auto cmd = probe(config, to_report, "files", "0");
            files = files_in_child(cmd.in(stdio::file(path, open_mode::read)), folder);
        }
        CHECK(files == std::vector<std::string>{identity(other_side.get())});
    });
}

TEST_CASE("same_as: refers to the same file in any order of calls")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        auto first = probe(config, to_report, "files", "1", "2");
        first.err(stdio::same_as(1)).out(stdio::file(folder.path("x"), open_mode::write));
        auto const files = files_in_child(first, folder);
        CHECK(files[0] == files[1]);
        CHECK(files[0] == identity(open_file(folder.path("x"))));

        auto chain = probe(config, to_report, "files", "0", "1", "2");
        chain.in(stdio::same_as(1)).out(stdio::same_as(2)).err(stdio::null());
        auto const chain_files = files_in_child(chain, folder);
        CHECK(chain_files[0] == identity(open_file("/dev/null", O_RDONLY)));
        CHECK(chain_files == std::vector(3, chain_files[0]));
    });
}

TEST_CASE("same_as: shares a pipe")
{
    for_each_backend([&](backend_config const& config) {
        auto cmd = probe(config, "write", "2", "on error");
        CHECK(output_of_now(cmd.err(stdio::same_as(1))) == "on error");
    });
}

TEST_CASE("same_as: cycles and unmapped descriptors fail")
{
    leak_check const leaks;
    asio::io_context context;
    command cycle("true");
    cycle.out(stdio::same_as(2)).err(stdio::same_as(1));
    CHECK(spawn(context, cycle).error() == std::errc::invalid_argument);
    command unmapped("true");
    unmapped.out(stdio::same_as(7));
    CHECK(spawn(context, unmapped).error() == std::errc::bad_file_descriptor);
    CHECK(stage_of(spawn(context, unmapped).error()) == spawn_stage::stdio);
}

TEST_CASE("null: reads end of file and discards output")
{
    for_each_backend([&](backend_config const& config) {
        auto reader = probe(config, "copy");
        CHECK(output_of_now(reader.in(stdio::null())) == "");
        auto writer = probe(config, "write", "2", "lost");
        CHECK(output_of_now(writer.err(stdio::null())) == "");
        auto other_writer = probe(config, "write", "5", "lost");
        CHECK(output_of_now(other_writer.fd(5, stdio::null())) == "");
    });
}

TEST_CASE("null: standard streams can be used in one direction, other descriptors in both")
{
    for_each_backend([&](backend_config const& config) {
        for (auto const& row : {std::pair(0, "read"), {2, "write"}, {5, "both"}}) {
            CAPTURE(row.first);
            auto const cmd = probe(config, "access", std::to_string(row.first)).fd(row.first, stdio::null());
            CHECK(output_of_now(cmd) == row.second);
        }
    });
}

TEST_CASE("file: read, write and append modes")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        folder.write("in", "content");
        auto reader = probe(config, "copy");
        CHECK(output_of_now(reader.in(stdio::file(folder.path("in"), open_mode::read))) == "content");

        folder.write("out", "something long");
        auto writer = probe(config, "write", "1", "new");
        writer.out(stdio::file(folder.path("out"), open_mode::write));
        CHECK(run_to_exit(writer).success());
        CHECK(folder.read("out") == "new");

        writer.out(stdio::file(folder.path("out"), open_mode::append));
        CHECK(run_to_exit(writer).success());
        CHECK(folder.read("out") == "newnew");

        writer.out(stdio::file(folder.path("new"), open_mode::append));
        CHECK(run_to_exit(writer).success());
        CHECK(folder.read("new") == "new");

        asio::io_context context;
        reader.in(stdio::file(folder.path("missing"), open_mode::read));
        auto const ec = spawn(context, reader).error();
        CHECK(ec == std::errc::no_such_file_or_directory);
        CHECK(stage_of(ec) == spawn_stage::stdio);
    });
}

TEST_CASE("fd_setup: unmapped descriptors are closed, close-on-exec or not")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        open_file const kept(folder.path("a"), O_RDONLY | O_CREAT), marked(folder.path("b"));
        CHECK(output_of_now(probe(config, "descriptors")) == "0 1 2 ");
        auto mapped = probe(config, "descriptors");
        mapped.fd(7, stdio::null()).fd(20, stdio::fd(kept));
        CHECK(output_of_now(mapped) == "0 1 2 7 20 ");
    });
}

TEST_CASE("fd_setup: descriptors below a high number are closed")
{
    for_each_backend([&](backend_config const& config) {
        if (config.backend == spawn_backend::posix_spawn)
            return; // posix_spawn(3) cannot close a wide range
        scratch_folder folder;
        open_file const unmapped(folder.path("a"), O_RDONLY | O_CREAT);
        auto cmd = probe(config, "descriptors");
        CHECK(output_of_now(cmd.fd(600, stdio::fd(unmapped))) == "0 1 2 600 ");
    });
    asio::io_context context;
    auto high_number = probe({spawn_backend::posix_spawn, exit_watcher::automatic}, "descriptors");
    CHECK(spawn(context, high_number.fd(600, stdio::null())).error() == std::errc::not_supported);
}

TEST_CASE("fd_setup: descriptors above a lowered limit are closed")
{
    for_each_backend([&](backend_config const& config) {
        int const high = ::fcntl(2, F_DUPFD, 800);
        REQUIRE(high >= 800);
        std::string open;
        {
            descriptor_limit const lowered(100);
            open = output_of_now(probe(config, "descriptors"));
        }
        ::close(high);
        CHECK(open == "0 1 2 ");
    });
}

TEST_CASE("fd_setup: a descriptor above a lowered limit is passed on, except by posix_spawn")
{
    for_each_backend([&](backend_config const& config) {
        int const high = ::fcntl(2, F_DUPFD_CLOEXEC, 800);
        REQUIRE(high >= 800);
        {
            descriptor_limit const lowered(100);
            auto cmd = probe(config, "descriptors").fd(5, stdio::fd(high));
            asio::io_context context;
            if (config.backend == spawn_backend::posix_spawn) // an asynchronous spawn passes a duplicate
                CHECK(spawn(context, cmd).error() == std::errc::not_supported);
            else
                CHECK(output_of_now(cmd) == "0 1 2 5 ");
        }
        ::close(high);
    });
}

TEST_CASE("fd_setup: 20,000 open descriptors are closed in the child")
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t const wanted = std::min<rlim_t>(20'000, limit.rlim_max - 64);
    if (wanted < 20'000 - 64)
        MESSAGE("only " << wanted << " descriptors can be opened here");
    descriptor_limit const raised(limit.rlim_max);
    std::vector<int> many;
    for (int fd = 0; many.size() + 16 < wanted && (fd = ::fcntl(2, F_DUPFD, 3)) >= 0;)
        many.push_back(fd);
    for_each_backend(
        [](backend_config const& config) { CHECK(output_of_now(probe(config, "descriptors")) == "0 1 2 "); });
    for (int fd : many)
        ::close(fd);
    CHECK(many.size() > 900);
}

TEST_CASE("fd_setup: descriptors are closed without close_range and /proc" * doctest::skip(!can_deny_syscalls()))
{
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    scratch_folder const folder;
    std::filesystem::copy(probe_path(), folder.path("probe"));
    for_each_backend([&](backend_config const& config) {
        if (config.backend == spawn_backend::posix_spawn)
            return; // the C library needs one of them
        forked process([&] {
            int const open = ::fcntl(2, F_DUPFD, 40);
            if (open < 0 || ::chroot(folder.path().c_str()) < 0 || ::chdir("/") < 0)
                return false;
            deny_syscalls("close_range=ENOSYS");
            command cmd("/probe", "files", std::to_string(open));
            return output_of_now(cmd.backend(config.backend).watcher(config.watcher)) == "closed ";
        });
        CHECK(process.succeeds());
    });
}

TEST_CASE("inherit_fds: passes all descriptors except close-on-exec ones")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        open_file const kept(folder.path("a"), O_RDONLY | O_CREAT), marked(folder.path("b"));
        auto cmd = probe(config, "descriptors");
        auto const inherited = split(output_of_now(cmd.inherit_fds(true)), ' ');
        auto const has = [&](int fd) {
            return std::find(inherited.begin(), inherited.end(), std::to_string(fd)) != inherited.end();
        };
        CHECK(has(kept));
        CHECK_FALSE(has(marked));
    });
}

TEST_CASE("fd: a passed descriptor keeps its flags in the parent")
{
    for_each_backend([&](backend_config const& config) {
        scratch_folder folder;
        open_file const passed(folder.path("a"));
        REQUIRE(::fcntl(passed, F_SETFL, O_NONBLOCK) == 0);
        auto cmd = probe(config, "blocking", "5");
        CHECK(output_of_now(cmd.fd(5, stdio::fd(passed)).fd(passed, stdio::fd(passed))) == "no");
        CHECK(::fcntl(passed, F_GETFD) == FD_CLOEXEC);
        CHECK((::fcntl(passed, F_GETFL) & O_NONBLOCK) != 0);
    });
}

TEST_CASE("fd: a closed source fails with stage stdio")
{
    for_each_backend([&](backend_config const& config) {
        asio::io_context context;
        auto cmd = probe(config, "exit", "0");
        auto const ec = spawn(context, cmd.out(stdio::fd(777))).error();
        CHECK(ec == std::errc::bad_file_descriptor);
        CHECK(stage_of(ec) == spawn_stage::stdio);
    });
}

TEST_CASE("fd: a closed source fails even if the library opens a descriptor with its number")
{
    for_each_backend([&](backend_config const& config) {
        asio::io_context context;
        open_file const open("/dev/null", O_RDWR | O_CLOEXEC);
        auto const child = probe(config, "exit", "0").err(stdio::null());
        child_group full(context, group_options().max_running(1));
        auto const running = full.spawn_child(probe(config, "pause").out(stdio::null())).value();
        using attempt = std::function<error_code(int closed)>;
        std::vector<attempt> attempts{
            [&](int closed) {
                auto cmd = probe(config, "exit", "0").in(stdio::piped()).out(stdio::piped()).err(stdio::null());
                return spawn(context, cmd.fd(3, stdio::piped()).fd(60, stdio::fd(closed))).error();
            },
            [&](int closed) { return spawn(context, child | command(child).fd(60, stdio::fd(closed))).error(); },
            [&](int closed) { return spawn(context, (child | child).err(stdio::fd(closed))).error(); },
            [&](int closed) {
                error_code error;
                auto const store = [&](error_code ec, pipeline_output const&) { error = ec; };
                async_output(context, child | command(child).fd(60, stdio::fd(closed)), store);
                context.restart();
                context.poll();
                return error;
            },
            [&](int closed) {
                error_code error;
                auto const cmd = command(child).fd(59, stdio::fd(open)).fd(60, stdio::fd(closed));
                full.async_spawn(cmd, [&](error_code ec, group_child) { error = ec; });
                context.restart();
                context.poll();
                return error;
            },
        };
        if (config.backend != spawn_backend::posix_spawn)
            attempts.push_back([&](int closed) {
                return spawn(context, probe(config, "exit", "0").terminal().fd(60, stdio::fd(closed))).error();
            });
        for (auto const& each : attempts) {
            CAPTURE(&each - attempts.data());
            (void)each(777); // opens what the context keeps
            // The library opens less than ten descriptors, and gets the lowest free numbers.
            for (int closed = 3, tried = 0; tried < 10; ++closed) {
                if (os::is_open(closed))
                    continue;
                ++tried;
                CAPTURE(closed);
                auto const error = each(closed);
                CHECK(error == std::errc::bad_file_descriptor);
                CHECK(stage_of(error) == spawn_stage::stdio);
            }
        }
    });
}

TEST_CASE("fd: a closed standard stream does not become a descriptor of the library")
{
    for_each_config([](backend_config const& config) {
        for (int stream : {0, 1, 2}) {
            CAPTURE(stream);
            forked process([&] {
                asio::io_context context;
                run_on(context, [](backend_config used) -> asio::awaitable<void> {
                    co_await async_run(co_await asio::this_coro::executor, probe(used, "exit", "0"));
                }(config)); // opens the descriptors of Asio
                ::close(stream);
                auto cmd = probe(config, "pause").in(stdio::null()).out(stdio::null()).err(stdio::null());
                if (config.backend != spawn_backend::posix_spawn)
                    cmd.terminal();
                auto child = spawn(context, cmd).value();
                auto const again = spawn(context, command(cmd).fd(5, stdio::fd(stream)));
                return !again && again.error() == make_error_code(spawn_stage::stdio, EBADF) && child.kill();
            });
            CHECK(process.succeeds());
        }
    });
}

TEST_CASE("same_as: a closed standard stream is no pipe of the library")
{
    for_each_backend([](backend_config const& config) {
        asio::io_context context;
        open_file const null("/dev/null");
        auto const last = probe(config, "exit", "0").fd(3, stdio::same_as(2)).out(stdio::fd(null));
        error_code error;
        {
            standard_streams const closed(1u << 2);
            error = spawn(context, probe(config, "exit", "0") | last).error();
        }
        CHECK(error == std::errc::bad_file_descriptor);
    });
}

TEST_CASE("piped: the child's ends are blocking, the parent's are not")
{
    for_each_config([&](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        for (auto const* fd : {"0", "1", "2"}) {
            auto cmd = probe(config, "blocking", fd);
            cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
            auto child = spawn(ex, cmd).value();
            for (int end : {child.in().native_handle(), child.out().native_handle(), child.err().native_handle()}) {
                CHECK((::fcntl(end, F_GETFL) & O_NONBLOCK) != 0);
                CHECK((::fcntl(end, F_GETFD) & FD_CLOEXEC) != 0);
            }
            CHECK(co_await read_all(child.out()) == "yes");
            co_await child.async_wait();
        }
    });
}

TEST_CASE("piped: other streams are closed in the parent")
{
    asio::io_context context;
    auto cmd = probe(all_configs().front(), "exit", "0");
    auto child = spawn(context, cmd.out(stdio::piped())).value();
    CHECK_FALSE(child.in().is_open());
    CHECK(child.out().is_open());
    CHECK_FALSE(child.err().is_open());
    auto moved = std::move(child.out());
    CHECK(moved.is_open());
    CHECK_FALSE(child.out().is_open());
}

TEST_CASE("piped: concurrent spawns do not inherit the pipes" * needs_threads())
{
    for_each_config([&](backend_config const& config) {
        auto other = probe(config, "pause");
        beside_other_spawns(
            other.in(stdio::piped()).out(stdio::piped()).err(stdio::null()),
            [&](asio::any_io_executor ex) -> asio::awaitable<void> {
                auto cmd = probe(config, "copy");
                auto child = spawn(ex, cmd.in(stdio::piped()).out(stdio::piped())).value();
                child.in().close();
                CHECK(co_await read_all(child.out()) == "");
                co_await child.async_wait();
            });
    });
}

TEST_CASE("file: a FIFO does not block the event loop" * needs_threads())
{
    for_each_backend([](backend_config const& config) {
        scratch_folder folder;
        auto const path = folder.path("fifo");
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        asio::io_context context;
        std::optional<std::string> out;
        auto cmd = probe(config, "copy");
        cmd.in(stdio::file(path, open_mode::read)).fd(7, stdio::same_as(0));
        async_output(context, cmd, [&](error_code, output result) { out = std::move(result.out); });
        context.poll();
        CHECK_FALSE(out);
        int writer = -1;
        REQUIRE(eventually([&] { return (writer = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0; }));
        CHECK(::write(writer, "text", 4) == 4);
        ::close(writer);
        context.restart();
        context.run_for(60s);
        CHECK(out == "text");
    });
}

// posix_spawn(3) does not return before the child has opened its files.
std::vector<backend_config> with_early_pid(std::vector<backend_config> configs)
{
    std::erase_if(configs, [](backend_config const& config) { return config.backend == spawn_backend::posix_spawn; });
    return configs;
}

TEST_CASE("file: a child that opens a FIFO can be cancelled and has a timeout" * needs_threads())
{
    for (bool cancelled : {false, true})
        for (bool with_credentials : {false, true}) {
            CAPTURE(cancelled);
            CAPTURE(with_credentials);
            for_each(
                with_early_pid(with_credentials ? credentials_configs() : all_configs()),
                [&](backend_config const& config) {
                    scratch_folder folder;
                    auto const path = folder.path("fifo");
                    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
                    asio::io_context context;
                    asio::cancellation_signal cancel;
                    std::optional<error_code> error;
                    auto cmd = probe(config, "copy");
                    if (with_credentials)
                        cmd.user(::geteuid());
                    output_options options;
                    options.stop(stop_plan(SIGTERM, 10ms));
                    if (!cancelled)
                        options.timeout(1ms);
                    async_output(
                        context, cmd.in(stdio::file(path, open_mode::read)), options,
                        asio::bind_cancellation_slot(cancel.slot(), [&](error_code ec, output const&) { error = ec; }));
                    context.poll();
                    CHECK_FALSE(error);
                    if (cancelled) {
                        cancel.emit(asio::cancellation_type::terminal);
                        cancel.emit(asio::cancellation_type::terminal);
                    }
                    context.restart();
                    context.run_for(60s);
                    CHECK(
                        error ==
                        (cancelled ? error_code(asio::error::operation_aborted) : error_code(errc::timed_out)));
                    CHECK_FALSE(has_children());
                });
        }
}

TEST_CASE("file: a child that waits for a FIFO keeps no copies of other descriptors" * needs_threads())
{
    for (bool inherits : {false, true}) {
        CAPTURE(inherits);
        for_each(with_early_pid(all_configs()), [&](backend_config const& config) {
            scratch_folder folder;
            auto const first = folder.path("first"), second = folder.path("second");
            REQUIRE(::mkfifo(first.c_str(), 0600) == 0);
            REQUIRE(::mkfifo(second.c_str(), 0600) == 0);
            asio::io_context context;
            auto const start = [&](std::string const& fifo) {
                auto cmd = probe(config, "copy");
                cmd.in(stdio::file(fifo, open_mode::read)).out(stdio::null());
                if (inherits)
                    cmd.inherit_fds(true);
                auto started = std::make_shared<std::optional<child>>();
                async_spawn(context, cmd, [started](error_code ec, child c) {
                    if (!ec.failed())
                        *started = std::move(c);
                });
                return started;
            };
            auto const open_for_writing = [](std::string const& fifo) {
                os::unique_fd writer;
                CHECK(eventually([&] {
                    writer.reset(::open(fifo.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)); // fails without a reader
                    return writer.get() >= 0;
                }));
            };
            auto const run_until = [&](auto const& condition) {
                context.restart();
                while (!condition() && context.run_one_for(60s)) {}
                return condition();
            };
            auto copying = spawn(context, probe(config, "copy").in(stdio::piped()).out(stdio::piped())).value();
            auto const earlier = start(first);
            auto const later = start(second);
            open_for_writing(first);
            CHECK(run_until([&] { return earlier->has_value(); }));
            CHECK_FALSE(*later);
            copying.in().close();
            std::optional<std::string> text;
            asio::co_spawn(context, read_all(copying.out()), [&](std::exception_ptr, std::string out) { text = out; });
            CHECK(run_until([&] { return text.has_value(); }));
            CHECK(text == "");
            CHECK_FALSE(*later);
            open_for_writing(second);
            CHECK(run_until([&] { return later->has_value(); }));
            CHECK((*earlier)->wait().has_value());
            CHECK((*later)->wait().has_value());
            CHECK(copying.wait().has_value());
        });
    }
}

TEST_CASE("file: a FIFO may be named by a descriptor of the parent")
{
    for (bool inherits : {false, true})
        for_each_backend([&](backend_config const& config) {
            auto ends = os::make_pipe().value();
            REQUIRE(::write(ends.second.get(), "text", 4) == 4);
            ends.second.reset();
            auto cmd = probe(config, "copy");
            cmd.in(stdio::file("/dev/fd/" + std::to_string(ends.first.get()), open_mode::read)).inherit_fds(inherits);
            asio::io_context context;
            std::string text;
            async_output(context, cmd, [&](error_code, output result) { text = result.out; });
            context.run_for(60s);
            CHECK(text == "text");
        });
}

TEST_CASE(
    "file: the program may be named by a descriptor although the child opens a FIFO" * doctest::skip(!knows_linux()))
{
    for (bool inherits : {false, true})
        for_each(with_early_pid(all_configs()), [&](backend_config const& config) {
            scratch_folder folder;
            auto const path = folder.path("fifo"), link = folder.path("link");
            REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
            os::unique_fd const program(::open(probe_path().c_str(), O_RDONLY | O_CLOEXEC));
            os::unique_fd const other_side(::open(path.c_str(), O_RDWR | O_CLOEXEC));
            auto const number = std::to_string(program.get());
            REQUIRE(::symlink(("/proc/self/fd/" + number).c_str(), link.c_str()) == 0);
            for (auto const& name : {"/proc/self/fd/" + number, link, "./" + number}) {
                command cmd(name, "exit", "7");
                cmd.backend(config.backend).watcher(config.watcher).inherit_fds(inherits);
                if (name.starts_with('.'))
                    cmd.current_dir("/proc/self/fd");
                asio::io_context context;
                auto child = spawn(context, cmd.in(stdio::file(path, open_mode::read)));
                CAPTURE(name);
                REQUIRE(child.has_value());
                CHECK(child.value().wait().value().code() == 7);
            }
        });
}

TEST_CASE("file: paths below a descriptor of the parent" * doctest::skip(!knows_linux()))
{
    for (int number : {40, 140}) // a child may copy only the first descriptors
        for_each(with_early_pid(all_configs()), [&](backend_config const& config) {
            scratch_folder folder;
            auto const path = folder.path("fifo"), first_link = folder.path("first"), link = folder.path("link");
            REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
            os::unique_fd const other_side(::open(path.c_str(), O_RDWR | O_CLOEXEC));
            auto const duplicate = [&](char const* target) {
                os::unique_fd const opened(::open(target, O_RDONLY | O_CLOEXEC));
                return os::unique_fd(::fcntl(opened.get(), F_DUPFD_CLOEXEC, number));
            };
            auto const directory = duplicate(folder.path("").c_str()), program = duplicate(probe_path().c_str());
            auto const name_of = [](os::unique_fd const& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); };
            REQUIRE(::symlink(name_of(program).c_str(), first_link.c_str()) == 0);
            REQUIRE(::symlink(first_link.c_str(), link.c_str()) == 0);
            auto const code_of = [&](std::string const& name, stdio in, bool changes_directory) {
                command cmd(name, "exit", "7");
                cmd.backend(config.backend)
                    .watcher(config.watcher)
                    .in(std::move(in))
                    .out(stdio::null())
                    .err(stdio::null());
                if (changes_directory)
                    cmd.current_dir(name_of(directory));
                asio::io_context context;
                auto child = spawn(context, cmd);
                return child ? child.value().wait().value().code() : -1;
            };
            auto const fifo = stdio::file(path, open_mode::read);
            CHECK(code_of(name_of(program), stdio::null(), false) == 7);
            CHECK(code_of(name_of(program), fifo, false) == 7);
            if (number < 64)
                CHECK(code_of(link, fifo, false) == 7);
            CHECK(code_of(probe_path(), stdio::file(name_of(directory) + "/fifo", open_mode::read), false) == 7);
            CHECK(code_of(probe_path(), fifo, true) == 7);
        });
}

TEST_CASE("fd_setup: from passes the end of another child's pipe on")
{
    for_each_config([](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto writer = spawn(ex, probe(config, "write", "1", "text").out(stdio::piped())).value();
        auto reader = probe(config, "copy");
        reader.in(stdio::from(std::move(writer.out())));
        CHECK_FALSE(writer.out().is_open());
        command const copy = reader;
        auto const error_of = [&](command const& cmd) { return spawn(ex, cmd).error(); };
        CHECK(
            error_of(command(copy).current_dir("/nowhere")) ==
            make_error_code(spawn_stage::directory, ENOENT)); // does not use the pipe
        CHECK((co_await async_output(ex, reader)).out == "text");
        CHECK(error_of(copy) == make_error_code(spawn_stage::stdio, EBADF)); // a spawn has used it
        CHECK(
            error_of(probe(config, "copy").in(stdio::from(std::move(writer.out())))) ==
            make_error_code(spawn_stage::stdio, EBADF));
        CHECK((co_await writer.async_wait()).success());
    });
}

TEST_CASE("fd_setup: the end that from passes on blocks, and is closed with the last copy or after the spawn")
{
    for_each_config([](backend_config const& config) {
        asio::io_context context;
        auto sink = spawn(context, probe(config, "copy").in(stdio::piped()).out(stdio::null())).value();
        {
            auto writer = probe(config, "blocking", "1").out(stdio::from(std::move(sink.in())));
            command const other = writer;
            CHECK(spawn(context, writer).value().wait().value().success());
            CHECK(sink.wait().value().success()); // although `writer` and `other` exist
        }
        auto second = spawn(context, probe(config, "copy").in(stdio::piped()).out(stdio::null())).value();
        {
            auto const unused = probe(config, "copy").out(stdio::from(std::move(second.in())));
            CHECK_FALSE(second.try_wait().value());
        }
        CHECK(second.wait().value().success());
    });
}

TEST_SUITE_END();
