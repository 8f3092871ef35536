// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/launcher.hpp"
#include "support/forked.hpp"
#include "support/on_terminal.hpp"
#include "support/support.hpp"

#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

// The controlling terminal of this process, which becomes the leader of a session and is in the foreground.
class controlling_terminal {
public:
    controlling_terminal()
    {
        ::setsid();
        user_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        ::grantpt(user_);
        ::unlockpt(user_);
        char const* const name = ::ptsname(user_);
        own_ = name ? ::open(name, O_RDWR | O_CLOEXEC) : -1;
        ::ioctl(own_, TIOCSCTTY, 0);
        ::tcgetattr(own_, &modes_);
    }

    void type(std::string const& keys) const { (void)!::write(user_, keys.data(), keys.size()); }

    // Whether this process is in the foreground and the modes are as before.
    bool is_restored() const
    {
        termios modes{};
        return ::tcgetattr(own_, &modes) == 0 && modes.c_lflag == modes_.c_lflag && is_in_foreground();
    }

    bool is_in_foreground() const { return own_ >= 0 && ::tcgetpgrp(own_) == ::getpgrp(); }

private:
    int user_, own_;
    termios modes_{};
};

command in_foreground(backend_config const& config, auto const&... args)
{
    auto cmd = probe(config, args...);
    return cmd.foreground().out(stdio::piped());
}

// Runs the body in a process with a terminal. The process gets the actions that keys have on a terminal.
template <class Body>
bool on_own_terminal(Body body)
{
    return forked([&] {
               for (int signal : {SIGINT, SIGTSTP, SIGTTIN, SIGTTOU})
                   ::signal(signal, SIG_DFL);
               controlling_terminal const terminal;
               asio::io_context context;
               return terminal.is_in_foreground() && body(terminal, context);
           })
        .succeeds();
}

bool is_ready(child& from)
{
    std::string text;
    error_code error;
    asio::read_until(from.out(), asio::dynamic_buffer(text), '\n', error);
    return text == "ready\n";
}

} // namespace

TEST_SUITE_BEGIN("foreground");

TEST_CASE("foreground: the child is in the foreground, then the parent again")
{
    for_each(terminal_configs(), [](backend_config const& config) {
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context&) {
            auto background = probe(config, "foreground").process_group();
            return output_of_now(background) == "background" &&
                   output_of_now(in_foreground(config, "foreground")) == "foreground" && terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: a closed source fails even if the library opens a descriptor with its number")
{
    for_each(terminal_configs(), [](backend_config const& config) {
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context& context) {
            for (int closed = 3, tried = 0; tried < 10; ++closed) {
                if (::fcntl(closed, F_GETFD) >= 0)
                    continue;
                ++tried;
                auto cmd = probe(config, "exit", "0").foreground();
                if (spawn(context, cmd.fd(60, stdio::fd(closed))).error() != std::errc::bad_file_descriptor)
                    return false;
            }
            return terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: the child reads the terminal, and its modes are restored" * needs_threads())
{
    for_each(terminal_configs(), [](backend_config const& config) {
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context& context) {
            auto child = spawn(context, in_foreground(config, "read-terminal")).value();
            if (!is_ready(child) || terminal.is_in_foreground())
                return false;
            terminal.type("typed\n");
            std::optional<output> result;
            child.async_output([&](error_code, output all) { result = std::move(all); });
            context.run_for(60s);
            return result && result->status.success() && result->out == "typed\n" && terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: the keys of the terminal reach the child and not the parent")
{
    for_each(terminal_configs(), [](backend_config const& config) {
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context& context) {
            auto child = spawn(context, in_foreground(config, "read-terminal", "keys").reset_signals()).value();
            if (!is_ready(child))
                return false;
            terminal.type("\x03"); // ^C
            return child.wait().value().signal() == SIGINT && terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: a child that the terminal stops keeps it until it ends")
{
    for_each(terminal_configs(), [](backend_config const& config) {
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context& context) {
            auto child = spawn(context, in_foreground(config, "read-terminal", "keys").reset_signals()).value();
            if (!is_ready(child))
                return false;
            terminal.type("\x1a"); // ^Z
            siginfo_t info{};
            bool const stopped =
                ::waitid(P_PID, static_cast<id_t>(child.id()), &info, WSTOPPED) == 0 && info.si_status == SIGTSTP;
            if (!stopped || terminal.is_in_foreground() || !child.signal_group(SIGCONT))
                return false;
            return child.kill() && child.wait().value().signal() == SIGKILL && terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: the terminal is restored however the child ends" * needs_threads())
{
    for_each(terminal_configs(), [](backend_config const& config) {
        for (std::string const way : {"killed", "dropped", "detached", "stopped", "context destroyed"}) {
            CAPTURE(way);
            CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context&) {
                auto context = std::make_unique<asio::io_context>();
                std::optional<child> spawned = spawn(*context, in_foreground(config, "read-terminal")).value();
                if (!is_ready(*spawned) || terminal.is_restored())
                    return false;
                if (way == "killed") {
                    spawned->async_kill(asio::detached);
                    context->run();
                } else if (way == "dropped") {
                    spawned.reset();
                } else if (way == "detached") {
                    spawned->detach();
                    spawned.reset();
                    terminal.type("\n");
                } else if (way == "stopped") {
                    spawned->async_stop(asio::detached);
                    context->run();
                } else {
                    spawned->async_wait([child = std::move(*spawned)](error_code, exit_status) {});
                    context.reset();
                }
                return eventually([&] { return terminal.is_restored(); });
            }));
        }
    });
}

TEST_CASE("foreground: operations that run a child restore the terminal" * needs_threads())
{
    for_each(terminal_configs(), [](backend_config const& config) {
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context& context) {
            std::optional<exit_status> status;
            auto const quiet = in_foreground(config, "exit", "3").out(stdio::inherit());
            async_run(context, quiet, [&](error_code, exit_status ended) { status = ended; });
            context.run_for(60s);
            bool spawned = false;
            async_spawn(context, quiet, [&](error_code error, child started) {
                spawned = !error.failed() && started.wait().value().code() == 3;
            });
            context.restart();
            context.run_for(60s);
            return status && status->code() == 3 && spawned && terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: a failed start restores the terminal" * needs_threads())
{
    for_each(terminal_configs(), [](backend_config const& config) {
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context& context) {
            command missing("/nowhere");
            missing.backend(config.backend).watcher(config.watcher).foreground();
            auto const expected = make_error_code(spawn_stage::exec, ENOENT);
            if (spawn(context, missing).error() != expected || !terminal.is_restored())
                return false;
            error_code later;
            async_spawn(context, missing, [&](error_code error, child) { later = error; });
            context.run_for(60s);
            return later == expected && terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: needs a terminal whose foreground is the parent's")
{
    for_each(terminal_configs(), [](backend_config const& config) {
        forked without([&] {
            ::setsid();
            return failure_of(in_foreground(config, "exit", "0")) == make_error_code(spawn_stage::terminal, ENXIO);
        });
        CHECK(without.succeeds());
        CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context&) {
            forked background([&] {
                ::setpgid(0, 0);
                return failure_of(in_foreground(config, "exit", "0")) == make_error_code(spawn_stage::terminal, EPERM);
            });
            return background.succeeds() && terminal.is_restored();
        }));
    });
}

TEST_CASE("foreground: the backend posix_spawn does not support it")
{
    if (!detail::available(spawn_backend::posix_spawn))
        return;
    CHECK(on_own_terminal([&](controlling_terminal const& terminal, asio::io_context&) {
        auto const cmd = command("/bin/true").foreground().backend(spawn_backend::posix_spawn);
        return failure_of(cmd) == std::errc::not_supported && terminal.is_restored();
    }));
}

TEST_CASE("foreground: contradictions are errors")
{
    auto const invalid = make_error_code(spawn_stage::prepare, EINVAL);
    CHECK(failure_of(command("true").foreground().session()) == invalid);
    CHECK(failure_of(command("true").foreground().terminal()) == invalid);
    CHECK(failure_of(command("true").foreground().process_group(::getpgrp())) == invalid);
    CHECK(exec(command("true").foreground()) == invalid);
    asio::io_context context;
    CHECK(spawn(context, command("true") | command("true").foreground()).error() == invalid);
}

TEST_SUITE_END();
