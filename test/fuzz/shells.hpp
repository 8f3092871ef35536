// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FUZZ_SHELLS_HPP
#define BROOD_TEST_FUZZ_SHELLS_HPP

#include <string>
#include <string_view>
#include <vector>

namespace test::fuzz {

struct shell {
    std::string_view name;
    std::vector<std::string> words; ///< The line follows them.
};

/// The shells whose handling of `shell_line` is checked.
inline std::vector<shell> const shells{
    {"dash", {"/bin/dash", "-c"}},
    {"bash", {"/bin/bash", "-c"}},
    {"busybox", {"/bin/busybox", "sh", "-c"}},
};

bool is_installed(shell const& candidate);

} // namespace test::fuzz

#endif
