// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_ON_TERMINAL_HPP
#define BROOD_TEST_SUPPORT_ON_TERMINAL_HPP

#include "support/support.hpp"

namespace test {

/// The configurations that support a terminal: posix_spawn does not.
inline std::vector<backend_config> terminal_configs()
{
    auto configs = all_configs();
    std::erase_if(
        configs, [](backend_config const& config) { return config.backend == brood::spawn_backend::posix_spawn; });
    return configs;
}

template <class... Args>
brood::command on_terminal(backend_config const& config, Args const&... args)
{
    auto cmd = probe(config, args...);
    return cmd.terminal().reset_signals();
}

} // namespace test

#endif
