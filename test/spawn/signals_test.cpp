// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include <cstdio>
#include <initializer_list>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

using namespace brood;
using namespace test;

TEST_SUITE_BEGIN("signals");

TEST_CASE("signals: an ignored SIGPIPE has the default action in the child")
{
    for_each_backend([&](backend_config const& config) {
        auto const before = ::signal(SIGPIPE, SIG_IGN);
        auto const pipe = output_of_now(probe(config, "signal-action", std::to_string(SIGPIPE)));
        ::signal(SIGPIPE, before);
        CHECK(pipe == "default");
    });
}

TEST_CASE("signals: other ignored signals stay ignored, handlers are reset, and reset_signals resets all")
{
    for_each_backend([&](backend_config const& config) {
        auto const ignored = ::signal(SIGUSR1, SIG_IGN);
        auto const handled = ::signal(SIGUSR2, [](int) {});
        std::vector<std::string> actions;
        for (bool reset : {false, true})
            for (int signal : {SIGUSR1, SIGUSR2}) {
                auto cmd = probe(config, "signal-action", std::to_string(signal));
                if (reset)
                    cmd.reset_signals();
                actions.push_back(output_of_now(cmd));
            }
        ::signal(SIGUSR1, ignored);
        ::signal(SIGUSR2, handled);
        CHECK(actions == std::vector<std::string>{"ignored", "default", "default", "default"});
    });
}

TEST_CASE("signals: the signal mask is inherited or set by the command")
{
    auto const bits = [](std::initializer_list<int> signals) {
        unsigned long mask = 0;
        for (int signal : signals)
            mask |= 1UL << (signal - 1);
        char text[20];
        std::snprintf(text, sizeof text, "%016lx", mask);
        return std::string(text);
    };
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    for_each_backend([&](backend_config const& config) {
        ::pthread_sigmask(SIG_SETMASK, &blocked, &before);
        auto const inherited = output_of_now(probe(config, "status", "SigBlk"));
        auto cmd = probe(config, "status", "SigBlk");
        auto const custom = output_of_now(cmd.signal_mask({SIGHUP, SIGUSR2}));
        auto const none = output_of_now(cmd.signal_mask({}));
        auto const reset = output_of_now(probe(config, "status", "SigBlk").reset_signals());
        auto const reset_with_mask =
            output_of_now(probe(config, "status", "SigBlk").signal_mask(SIGHUP).reset_signals());
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        CHECK(inherited == bits({SIGUSR1}));
        CHECK(custom == bits({SIGHUP, SIGUSR2}));
        CHECK(none == bits({}));
        CHECK(reset == bits({}));
        CHECK(reset_with_mask == bits({SIGHUP}));
    });
}

TEST_CASE("signals: a signal pending in the parent does not run its handler in the child")
{
    static pid_t handled_by;
    auto const before = ::signal(SIGUSR1, [](int) { handled_by = ::getpid(); });
    for_each_config([&](backend_config const& config) {
        for (int i = 0; i < 50; ++i) {
            handled_by = 0;
            ::raise(SIGUSR1);
            asio::io_context context;
            auto child = spawn(context, probe(config, "exit", "0"));
            REQUIRE(child);
            CHECK(handled_by == ::getpid());
            CHECK(child.value().wait());
        }
    });
    ::signal(SIGUSR1, before);
}

TEST_SUITE_END();
