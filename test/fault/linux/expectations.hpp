// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FAULT_LINUX_EXPECTATIONS_HPP
#define BROOD_TEST_FAULT_LINUX_EXPECTATIONS_HPP

#include "fault/linux/injector.hpp"

#include <brood/backend.hpp>
#include <brood/error.hpp>

#include <span>
#include <string_view>
#include <vector>

namespace test {

/// A system call, and how it can fail.
struct failing_call {
    std::string_view name;
    int number;
    std::vector<int> errors;                ///< Those of its manual page.
    std::vector<brood::spawn_stage> stages; ///< A spawn that fails because of the call reports one of these.
};

/// A system call that does not fail in the tests.
struct untouched_call {
    std::string_view name;
    int number;
    std::string_view reason;
};

std::span<failing_call const> failing_calls();
std::span<untouched_call const> untouched_calls();

/// Null if the call is not listed.
failing_call const* find_call(int number);

/// The reason why this fault is left out of a scenario, or an empty text.
std::string_view reason_to_exclude(fault const& what, brood::exit_watcher watcher, std::string_view scenario);

/// Whether an operation may fail with this error because of the fault.
bool explains(fault const& what, brood::spawn_backend backend, brood::error_code error);

/// Whether std::bad_alloc may be thrown because of the fault.
bool exhausts_memory(fault const& what);

/// Whether the fault prevents the library from killing or reaping a child.
bool leaves_children(fault const& what);

/// Whether the fault prevents that the library's thread is woken after its last child: then it ends after the next one.
bool leaves_thread(fault const& what);

} // namespace test

#endif
