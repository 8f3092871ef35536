// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_OS_MODULE_HPP
#define BROOD_LIB_OS_MODULE_HPP

namespace brood::os {

/// Keeps the shared object that contains this code loaded until the process exits, even after dlclose(3).
/**
 * A plugin may contain a static copy of the library. Call this before anything that can outlive the plugin refers to
 * this code: a signal handler, a thread, a child that shares the memory, a service of an execution context.
 */
void keep_module_loaded() noexcept;

} // namespace brood::os

#endif
