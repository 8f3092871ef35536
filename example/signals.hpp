// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_SIGNALS_HPP
#define BROOD_EXAMPLE_SIGNALS_HPP

#include <boost/asio/signal_set.hpp>

#include <csignal>

/// Adds SIGINT, SIGTERM and SIGHUP. Signals that are ignored because of nohup(1) or a shell's & stay ignored.
inline void add_stop_signals(boost::asio::signal_set& signals)
{
    for (int number : {SIGINT, SIGTERM, SIGHUP})
        if (struct sigaction now{}; ::sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_IGN)
            signals.add(number);
}

#endif
