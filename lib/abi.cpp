// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/abi.hpp>

// The references of the header itself instantiate this for each setting of this build.
template <class Setting>
void brood::abi::library_built_with()
{}
