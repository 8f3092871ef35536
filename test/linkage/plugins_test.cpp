// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "plugin.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>
#include <utility>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

std::string path_of(char const* variable)
{
    char const* path = std::getenv(variable);
    REQUIRE(path != nullptr);
    return path;
}

bool is_loaded(std::string const& path)
{
    void* const handle = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD);
    if (handle)
        ::dlclose(handle);
    return handle != nullptr;
}

class plugin {
public:
    explicit plugin(std::string const& path) : handle_(::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL))
    {
        REQUIRE_MESSAGE(handle_ != nullptr, ::dlerror());
    }

    ~plugin() { ::dlclose(handle_); }

    plugin(plugin const&) = delete;
    plugin& operator=(plugin const&) = delete;

    int run(int code, bool sigchld) const { return find<plugin_run_function>("plugin_run")(code, sigchld); }

    pid_t detach(int input, bool sigchld) const
    {
        return find<plugin_detach_function>("plugin_detach")(input, sigchld);
    }

private:
    template <class Function>
    Function* find(char const* name) const
    {
        void* const found = ::dlsym(handle_, name);
        REQUIRE(found != nullptr);
        return reinterpret_cast<Function*>(found);
    }

    void* handle_;
};

// A child reads from `input` until `close_output` is called.
class pipe_ends {
public:
    pipe_ends()
    {
        REQUIRE(::pipe(ends_.data()) == 0);
        for (int const end : ends_)
            REQUIRE(::fcntl(end, F_SETFD, FD_CLOEXEC) == 0);
    }

    ~pipe_ends()
    {
        ::close(ends_[0]);
        close_output();
    }

    pipe_ends(pipe_ends const&) = delete;
    pipe_ends& operator=(pipe_ends const&) = delete;

    int input() const { return ends_[0]; }

    void close_output()
    {
        if (int const fd = std::exchange(ends_[1], -1); fd >= 0)
            ::close(fd);
    }

private:
    std::array<int, 2> ends_{-1, -1};
};

bool is_child(pid_t pid)
{
    siginfo_t ignored{};
    return ::waitid(P_PID, static_cast<id_t>(pid), &ignored, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// Ends when somebody else has reaped the child. The limit of the test's time bounds it.
void wait_until_reaped(pid_t pid)
{
    siginfo_t ignored{};
    (void)::waitid(P_PID, static_cast<id_t>(pid), &ignored, WEXITED | WNOWAIT);
    while (is_child(pid))
        ::usleep(1000);
}

// A child of the host. Its end raises SIGCHLD, whose handler may be the plugin's.
int run_own_child(int code)
{
    pid_t const pid = ::fork();
    if (pid == 0)
        ::_exit(code);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WEXITSTATUS(status);
}

struct detached {
    pipe_ends pipe;
    pid_t pid = -1;
};

// Everything that makes code of a plugin run after it was closed: the SIGCHLD handler and the background thread.
void use(plugin const& p, std::array<detached, 2>& children)
{
    CHECK(p.run(7, false) == 7);
    CHECK(p.run(8, true) == 8);
    for (std::size_t i = 0; i < children.size(); ++i) {
        children[i].pid = p.detach(children[i].pipe.input(), i == 1);
        CHECK(is_child(children[i].pid));
    }
}

void end(std::array<detached, 2>& children)
{
    for (auto& child : children) {
        CHECK(is_child(child.pid));
        child.pipe.close_output();
        wait_until_reaped(child.pid);
    }
}

void check_pair(std::string const& first, std::string const& second)
{
    std::array<detached, 2> of_first, of_second;
    {
        plugin const one(first);
        plugin const other(second);
        use(one, of_first);
        use(other, of_second);
        CHECK(one.run(9, true) == 9);
    }
    CHECK(is_loaded(first));
    CHECK(is_loaded(second));
    CHECK(run_own_child(3) == 3);
    end(of_first);
    end(of_second);
    CHECK(run_own_child(4) == 4);
}

} // namespace

TEST_SUITE_BEGIN("linkage");

// musl's dlclose does nothing. Otherwise the other tests would pass though the plugins stay loaded for another reason.
TEST_CASE("plugin: an unused plugin is unloaded" * doctest::skip(std::getenv("BROOD_DLCLOSE_UNLOADS") == nullptr))
{
    auto const path = path_of("BROOD_PLUGIN_UNUSED");
    {
        plugin const unused(path);
        CHECK(is_loaded(path));
    }
    CHECK_FALSE(is_loaded(path));
}

TEST_CASE("plugin: two plugins, each with a static copy of the library")
{
    check_pair(path_of("BROOD_PLUGIN_STATIC"), path_of("BROOD_PLUGIN_STATIC_OTHER"));
}

TEST_CASE("plugin: one with a static copy, one with the shared library")
{
    check_pair(path_of("BROOD_PLUGIN_STATIC"), path_of("BROOD_PLUGIN_SHARED"));
}

TEST_CASE("plugin: opened twice, and again after it was closed")
{
    for (char const* variable : {"BROOD_PLUGIN_STATIC", "BROOD_PLUGIN_SHARED"}) {
        CAPTURE(variable);
        auto const path = path_of(variable);
        check_pair(path, path);
        check_pair(path, path);
    }
}

TEST_SUITE_END();
