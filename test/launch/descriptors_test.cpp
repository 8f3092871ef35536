// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/beside_other_spawns.hpp"
#include "support/standard_streams.hpp"
#include "support/support.hpp"

#include <boost/asio/write.hpp>

#include <array>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// A descriptor closed at the end of its scope.
class file {
public:
    explicit file(std::string const& path, int flags = O_RDWR | O_CREAT | O_CLOEXEC)
        : fd_(::open(path.c_str(), flags, 0644))
    {
        REQUIRE(fd_ >= 0);
    }
    file(file&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~file() { ::close(fd_); }

    operator int() const { return fd_; }

private:
    int fd_;
};

std::string identity(int fd)
{
    struct stat about {};
    if (::fstat(fd, &about) < 0)
        return "closed";
    return std::to_string(about.st_dev) + ":" + std::to_string(about.st_ino);
}

exit_status wait_for(command const& cmd)
{
    asio::io_context context;
    auto child = spawn(context, cmd);
    REQUIRE(child);
    return child.value().wait().value();
}

// Where the probe tells, out of the way of all that is mapped.
constexpr int report = 40;
constexpr auto to_report = "--to=40";

// What the probe says of its descriptors, told through a file.
std::vector<std::string> files_in_child(command cmd, scratch_folder const& folder)
{
    cmd.fd(report, stdio::file(folder.path("told"), open_mode::write));
    CHECK(wait_for(cmd).success());
    return split(folder.read("told"), ' ');
}

class lowered_limit {
public:
    explicit lowered_limit(rlim_t soft)
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit const now{soft, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
    }
    ~lowered_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

} // namespace

TEST_SUITE_BEGIN("descriptors");

TEST_CASE("every map of the standard streams onto themselves is right")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        std::array<file, 3> const files{file(folder.path("a")), file(folder.path("b")), file(folder.path("c"))};
        std::array<std::vector<std::string>, 27> told;
        {
            standard_streams replaced(files[0], files[1], files[2]);
            for (int map = 0; map < 27; ++map) {
                auto cmd = probe(w, to_report, "files", "0", "1", "2");
                cmd.in(stdio::fd(map % 3)).out(stdio::fd(map / 3 % 3)).err(stdio::fd(map / 9));
                told[static_cast<std::size_t>(map)] = files_in_child(cmd, folder);
            }
        }
        for (std::size_t map = 0; map < 27; ++map) {
            CAPTURE(map);
            std::vector<std::string> const expected{
                identity(files[map % 3]), identity(files[map / 3 % 3]), identity(files[map / 9])};
            CHECK(told[map] == expected);
        }
    }
}

TEST_CASE("swaps, rings, and one source on many targets are right")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        file const a(folder.path("a")), b(folder.path("b")), c(folder.path("c"));
        auto const on = [&](int x, int y, int z) {
            auto const text = [](int fd) { return std::to_string(fd); };
            auto cmd = probe(w, to_report, "files", text(a), text(b), text(c));
            cmd.fd(a, stdio::fd(x)).fd(b, stdio::fd(y)).fd(c, stdio::fd(z));
            return files_in_child(cmd, folder);
        };
        // The report must not stand in the way.
        REQUIRE(std::max({int(a), int(b), int(c)}) < report);
        auto const A = identity(a), B = identity(b), C = identity(c);
        CHECK(on(c, a, b) == std::vector{C, A, B});
        CHECK(on(b, c, a) == std::vector{B, C, A});
        CHECK(on(b, a, c) == std::vector{B, A, C});
        CHECK(on(a, b, c) == std::vector{A, B, C});
        CHECK(on(b, b, b) == std::vector{B, B, B});
    }
}

TEST_CASE("streams are right with any of the parent's closed")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        std::array<std::string, 8> told;
        std::array<error_code, 8> refused;
        for (unsigned closed = 0; closed < 8; ++closed) {
            standard_streams without(closed);
            run([](way by, std::string& copied, error_code& ec) -> asio::awaitable<void> {
                auto const ex = co_await asio::this_coro::executor;
                auto cmd = probe(by, "copy");
                cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::null());
                auto child = spawn(ex, cmd).value();
                co_await asio::async_write(child.in(), asio::buffer("through", 7), asio::use_awaitable);
                child.in().close();
                error_code end;
                co_await asio::async_read(
                    child.out(), asio::dynamic_buffer(copied), asio::redirect_error(asio::use_awaitable, end));
                co_await child.async_wait();
                command missing("/nowhere/at/all");
                missing.backend(by.backend).reaper(by.reaper).out(stdio::piped()).err(stdio::null());
                ec = spawn(ex, missing).error();
            }(w, told[closed], refused[closed]));
        }
        for (unsigned closed = 0; closed < 8; ++closed) {
            CAPTURE(closed);
            CHECK(told[closed] == "through");
            CHECK(refused[closed] == std::errc::no_such_file_or_directory);
            CHECK(stage_of(refused[closed]) == spawn_stage::exec);
        }
    }
}

TEST_CASE("a closed stream of the parent's is closed in a child that inherits it")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        scratch_folder folder;
        std::vector<std::string> told;
        {
            standard_streams without(1u); // standard input
            told = files_in_child(probe(w, to_report, "files", "0"), folder);
        }
        CHECK(told == std::vector<std::string>{"closed"});
    }
}

TEST_CASE("same_as leads where the other descriptor does, in any order of the calls")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        auto first = probe(w, to_report, "files", "1", "2");
        first.err(stdio::same_as(1)).out(stdio::file(folder.path("x"), open_mode::write));
        auto const told = files_in_child(first, folder);
        CHECK(told[0] == told[1]);
        CHECK(told[0] == identity(file(folder.path("x"))));

        auto chain = probe(w, to_report, "files", "0", "1", "2");
        chain.in(stdio::same_as(1)).out(stdio::same_as(2)).err(stdio::null());
        auto const all = files_in_child(chain, folder);
        CHECK(all[0] == identity(file("/dev/null", O_RDONLY)));
        CHECK(all == std::vector(3, all[0]));
    }
}

TEST_CASE("same_as shares a pipe")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto cmd = probe(w, "write", "2", "on error");
        CHECK(output_of_now(cmd.err(stdio::same_as(1))) == "on error");
    }
}

TEST_CASE("same_as that goes in a circle or nowhere is refused")
{
    leaves_nothing guard;
    asio::io_context context;
    command circle("true");
    circle.out(stdio::same_as(2)).err(stdio::same_as(1));
    CHECK(spawn(context, circle).error() == std::errc::invalid_argument);
    command nowhere("true");
    nowhere.out(stdio::same_as(7));
    CHECK(spawn(context, nowhere).error() == std::errc::bad_file_descriptor);
    CHECK(stage_of(spawn(context, nowhere).error()) == spawn_stage::stdio);
}

TEST_CASE("null reads as ended and swallows what is written")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        auto reader = probe(w, "copy");
        CHECK(output_of_now(reader.in(stdio::null())) == "");
        auto writer = probe(w, "write", "2", "lost");
        CHECK(output_of_now(writer.err(stdio::null())) == "");
        auto both = probe(w, "write", "5", "lost");
        CHECK(output_of_now(both.fd(5, stdio::null())) == "");
    }
}

TEST_CASE("files are read, emptied and written, and appended to")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        scratch_folder folder;
        folder.write("in", "content");
        auto reader = probe(w, "copy");
        CHECK(output_of_now(reader.in(stdio::file(folder.path("in"), open_mode::read))) == "content");

        folder.write("out", "something long");
        auto writer = probe(w, "write", "1", "new");
        writer.out(stdio::file(folder.path("out"), open_mode::write));
        CHECK(wait_for(writer).success());
        CHECK(folder.read("out") == "new");

        writer.out(stdio::file(folder.path("out"), open_mode::append));
        CHECK(wait_for(writer).success());
        CHECK(folder.read("out") == "newnew");

        writer.out(stdio::file(folder.path("made"), open_mode::append));
        CHECK(wait_for(writer).success());
        CHECK(folder.read("made") == "new");

        asio::io_context context;
        reader.in(stdio::file(folder.path("missing"), open_mode::read));
        auto const ec = spawn(context, reader).error();
        CHECK(ec == std::errc::no_such_file_or_directory);
        CHECK(stage_of(ec) == spawn_stage::stdio);
    }
}

TEST_CASE("what is not mapped is closed, close-on-exec or not")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        scratch_folder folder;
        file const kept(folder.path("a"), O_RDONLY | O_CREAT), marked(folder.path("b"));
        CHECK(output_of_now(probe(w, "descriptors")) == "0 1 2 ");
        auto mapped = probe(w, "descriptors");
        mapped.fd(7, stdio::null()).fd(20, stdio::fd(kept));
        CHECK(output_of_now(mapped) == "0 1 2 7 20 ");
    }
}

TEST_CASE("a far number leaves a gap that is closed too")
{
    for (auto const& w : all_backends()) {
        if (w.backend == spawn_backend::posix_spawn)
            continue; // has no words for a wide gap
        CAPTURE(w);
        scratch_folder folder;
        file const open(folder.path("a"), O_RDONLY | O_CREAT);
        auto cmd = probe(w, "descriptors");
        CHECK(output_of_now(cmd.fd(600, stdio::fd(open))) == "0 1 2 600 ");
    }
    asio::io_context context;
    auto far = probe({spawn_backend::posix_spawn, exit_reaper::automatic}, "descriptors");
    CHECK(spawn(context, far.fd(600, stdio::null())).error() == std::errc::not_supported);
}

TEST_CASE("descriptors above a lowered limit are closed too")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        int const high = ::fcntl(2, F_DUPFD, 800);
        REQUIRE(high >= 800);
        std::string told;
        {
            lowered_limit limit(100);
            told = output_of_now(probe(w, "descriptors"));
        }
        ::close(high);
        CHECK(told == "0 1 2 ");
    }
}

TEST_CASE("20,000 open descriptors are closed in the child")
{
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t const wanted = std::min<rlim_t>(20'000, limit.rlim_max - 64);
    if (wanted < 20'000 - 64)
        MESSAGE("only " << wanted << " descriptors can be opened here");
    lowered_limit raised(limit.rlim_max);
    std::vector<int> many;
    for (int fd = 0; many.size() + 16 < wanted && (fd = ::fcntl(2, F_DUPFD, 3)) >= 0;)
        many.push_back(fd);
    std::vector<std::string> told;
    for (auto const& w : all_backends())
        told.push_back(output_of_now(probe(w, "descriptors")));
    for (int fd : many)
        ::close(fd);
    CHECK(many.size() > 900);
    for (auto const& one : told)
        CHECK(one == "0 1 2 ");
}

TEST_CASE("inherit_fds hands on what is not close-on-exec")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        scratch_folder folder;
        file const kept(folder.path("a"), O_RDONLY | O_CREAT), marked(folder.path("b"));
        auto cmd = probe(w, "descriptors");
        auto const told = split(output_of_now(cmd.inherit_fds(true)), ' ');
        auto const has = [&](int fd) { return std::find(told.begin(), told.end(), std::to_string(fd)) != told.end(); };
        CHECK(has(kept));
        CHECK_FALSE(has(marked));
    }
}

TEST_CASE("a passed descriptor stays as it is in the parent")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        scratch_folder folder;
        file const passed(folder.path("a"));
        REQUIRE(::fcntl(passed, F_SETFL, O_NONBLOCK) == 0);
        auto cmd = probe(w, "blocking", "5");
        CHECK(output_of_now(cmd.fd(5, stdio::fd(passed)).fd(passed, stdio::fd(passed))) == "no");
        CHECK(::fcntl(passed, F_GETFD) == FD_CLOEXEC);
        CHECK((::fcntl(passed, F_GETFL) & O_NONBLOCK) != 0);
    }
}

TEST_CASE("a source that is not open is refused")
{
    for (auto const& w : all_backends()) {
        CAPTURE(w);
        leaves_nothing guard;
        asio::io_context context;
        auto cmd = probe(w, "exit", "0");
        auto const ec = spawn(context, cmd.out(stdio::fd(777))).error();
        CHECK(ec == std::errc::bad_file_descriptor);
        CHECK(stage_of(ec) == spawn_stage::stdio);
    }
}

TEST_CASE("the child's ends of pipes block, the parent's do not")
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        run([](way by) -> asio::awaitable<void> {
            auto const ex = co_await asio::this_coro::executor;
            for (auto const* fd : {"0", "1", "2"}) {
                auto cmd = probe(by, "blocking", fd);
                cmd.in(stdio::piped()).out(stdio::piped()).err(stdio::piped());
                auto child = spawn(ex, cmd).value();
                for (int end : {child.in().native_handle(), child.out().native_handle(), child.err().native_handle()}) {
                    CHECK((::fcntl(end, F_GETFL) & O_NONBLOCK) != 0);
                    CHECK((::fcntl(end, F_GETFD) & FD_CLOEXEC) != 0);
                }
                CHECK(co_await read_all(child.out()) == "yes");
                co_await child.async_wait();
            }
        }(w));
    }
}

TEST_CASE("only piped streams are open in the parent")
{
    asio::io_context context;
    auto cmd = probe(all_ways().front(), "exit", "0");
    auto child = spawn(context, cmd.out(stdio::piped())).value();
    CHECK_FALSE(child.in().is_open());
    CHECK(child.out().is_open());
    CHECK_FALSE(child.err().is_open());
    auto taken = std::move(child.out());
    CHECK(taken.is_open());
    CHECK_FALSE(child.out().is_open());
}

TEST_CASE("two threads that spawn at once never hold each other's pipes open" * needs_threads())
{
    for (auto const& w : all_ways()) {
        CAPTURE(w);
        auto other = probe(w, "pause");
        beside_other_spawns(
            other.in(stdio::piped()).out(stdio::piped()).err(stdio::null()),
            [&](asio::any_io_executor ex) -> asio::awaitable<void> {
                auto cmd = probe(w, "copy");
                auto child = spawn(ex, cmd.in(stdio::piped()).out(stdio::piped())).value();
                child.in().close();
                CHECK(co_await read_all(child.out()) == "");
                co_await child.async_wait();
            });
    }
}

TEST_SUITE_END();
