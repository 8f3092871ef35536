// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_ON_TERMINAL_HPP
#define BROOD_TEST_SUPPORT_ON_TERMINAL_HPP

#include "support/support.hpp"

namespace test {

/// The ways that can give a child a terminal: posix_spawn has no words for it.
inline std::vector<backend_config> terminal_configs()
{
    auto ways = all_configs();
    std::erase_if(ways, [](backend_config const& w) { return w.backend == brood::spawn_backend::posix_spawn; });
    return ways;
}

template <class... Args>
brood::command on_terminal(backend_config const& w, Args const&... args)
{
    auto cmd = probe(w, args...);
    return cmd.terminal().reset_signals();
}

} // namespace test

#endif
