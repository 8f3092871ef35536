// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/module.hpp"

#include <dlfcn.h>

namespace brood::os {
namespace {

// Looked up at run time: a statically linked program has no dlopen, and a direct reference causes a linker warning with
// glibc.
template <class Function>
Function* find(char const* name) noexcept
{
    return reinterpret_cast<Function*>(::dlsym(RTLD_DEFAULT, name));
}

// RTLD_NOLOAD only changes a module that is loaded already. It fails for the main program, which is never unloaded.
bool pin() noexcept
{
    auto* const open = find<decltype(::dlopen)>("dlopen");
    auto* const find_module = find<decltype(::dladdr)>("dladdr");
    Dl_info module{};
    if (!open || !find_module || find_module(reinterpret_cast<void const*>(&keep_module_loaded), &module) == 0)
        return false;
    return open(module.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) != nullptr;
}

} // namespace

void keep_module_loaded() noexcept { [[maybe_unused]] static bool const pinned = pin(); }

} // namespace brood::os
