// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_DENY_SYSCALLS_HPP
#define BROOD_TEST_SUPPORT_DENY_SYSCALLS_HPP

#include <brood/isolation.hpp>

#include <string_view>
#include <vector>

namespace test {

/// Makes system calls fail in this process and its children until they end: "clone3=ENOSYS,close_range=ENOSYS".
/**
 * `waitid-pidfd` stands for waitid(2) with P_PIDFD, `fork` for whatever makes a process that is no thread,
 * `nested-epoll` for epoll_ctl(2) that adds an epoll to an epoll. Ends the process with code 77, which Meson reads as
 * skipped, where filters cannot be installed.
 */
void deny_syscalls(std::string_view calls);

/// A seccomp filter that does the same for plain calls: "write=EPERM,exit=EPERM". The error KILL ends the process.
std::vector<brood::bpf_instruction> filter_denying(std::string_view calls);

/// Whether `deny_syscalls` is supported. It is not in emulators.
bool can_deny_syscalls();

/// The refused calls: the value of BROOD_DENY_SYSCALLS, or an empty string.
std::string_view denied_syscalls();

} // namespace test

#endif
