// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/detail/abi.hpp>

// The header refers to this function once for each setting, which instantiates it for the settings of this build.
template <class Setting>
void brood::abi::library_built_with()
{}
