// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_WATCHDOG_HPP
#define BROOD_TEST_SUPPORT_WATCHDOG_HPP

namespace test {

/// Runs the tests in a child process. Ends it if a test case exceeds the time limit, and reports the name of that case.
/**
 * Each subcase has the limit for itself.
 *
 * A hanging test may block every signal and all threads, so another process watches it. The environment variable
 * BROOD_CASE_LIMIT is the limit in seconds. 0 means no limit: the tests then run in the calling process, where a
 * debugger finds them. Returns the exit code.
 */
int run_watched(int (*run_tests)(int, char**), int argc, char** argv);

} // namespace test

#endif
