// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_LINKAGE_PLUGIN_HPP
#define BROOD_TEST_LINKAGE_PLUGIN_HPP

#include <sys/types.h>

/// What a test plugin exports. `sigchld` selects the watcher for SIGCHLD instead of the automatic one.
extern "C" {

/// Runs a child that exits with `code`, in an event loop of the plugin. Returns the exit code that was reported.
using plugin_run_function = int(int code, bool sigchld);

/// Starts a child that lives until `input` reports its end, and detaches it. Returns its pid.
using plugin_detach_function = pid_t(int input, bool sigchld);

plugin_run_function plugin_run;
plugin_detach_function plugin_detach;
}

#endif
