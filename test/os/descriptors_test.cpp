// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/descriptors.hpp"

#include "os/raw.hpp"
#include "support/forked.hpp"
#include "support/support.hpp"

#include <cerrno>
#include <cstdlib>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

constexpr int target = 40;

// The two functions that open the files of a command: in the parent, and between clone and exec. Each returns whether
// the file is open.
struct opener {
    char const* name;
    bool (*open)(char const* path);
};

opener const openers[] = {
    {"open_file", [](char const* path) { return os::open_file(path, open_mode::read).has_value(); }},
    {"raw::open", [](char const* path) { return os::raw::open(path, O_RDONLY, target) >= 0; }},
};

} // namespace

TEST_SUITE_BEGIN("descriptors");

TEST_CASE("open: is repeated if a signal interrupts it")
{
    for (auto const& row : openers) {
        CAPTURE(row.name);
        scratch_folder const folder;
        auto const path = folder.path("fifo");
        REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
        static int handled[2];
        REQUIRE(::pipe(handled) == 0);
        forked process([&] {
            struct sigaction action {}; // without SA_RESTART
            action.sa_handler = [](int) { (void)!::write(handled[1], "!", 1); };
            ::sigaction(SIGUSR1, &action, nullptr);
            (void)!::write(handled[1], "r", 1);
            return row.open(path.c_str()); // waits for a writer
        });
        char byte = 0;
        CHECK(::read(handled[0], &byte, 1) == 1);
        CHECK(eventually([&] { return process_state(process.pid()) != 'R'; }));
        ::kill(process.pid(), SIGUSR1);
        CHECK(::read(handled[0], &byte, 1) == 1);
        CHECK(byte == '!');
        // Once the open has failed there is no reader, so the writer must not wait for one.
        int writer = -1;
        CHECK(eventually([&] {
            writer = ::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
            return writer >= 0 || !is_alive(process.pid());
        }));
        CHECK(process.succeeds());
        for (int fd : {handled[0], handled[1], writer})
            ::close(fd);
    }
}

TEST_CASE("open: a terminal does not become the controlling terminal")
{
    for (auto const& row : openers) {
        CAPTURE(row.name);
        forked process([&] {
            int const parent_end = ::posix_openpt(O_RDWR | O_NOCTTY);
            if (::setsid() < 0 || parent_end < 0 || ::grantpt(parent_end) < 0 || ::unlockpt(parent_end) < 0)
                return false;
            return row.open(::ptsname(parent_end)) && ::open("/dev/tty", O_RDWR) < 0;
        });
        CHECK(process.succeeds());
    }
}

TEST_SUITE_END();
