// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_ISOLATION_HPP
#define BROOD_ISOLATION_HPP

#include <brood/detail/export.hpp>
#include <brood/detail/text.hpp>

#include <concepts>
#include <cstdint>
#include <iosfwd>

namespace brood {

/// A kind of namespace (namespaces(7)). See `command::namespaces`.
enum class ns {
    user,   ///< User and group ids, and capabilities (user_namespaces(7)).
    mount,  ///< Mount points (mount_namespaces(7)).
    pid,    ///< Process ids (pid_namespaces(7)).
    net,    ///< Network devices, addresses and ports (network_namespaces(7)).
    ipc,    ///< System V IPC and POSIX message queues (ipc_namespaces(7)).
    uts,    ///< The host name (uts_namespaces(7)).
    cgroup, ///< The root of the cgroup hierarchy (cgroup_namespaces(7)).
};

/// Prints the name of the value.
BROOD_API std::ostream& operator<<(std::ostream& out, ns kind);

/// An instruction of a seccomp filter, with the fields of the kernel's `sock_filter`. See `command::seccomp`.
struct bpf_instruction {
    std::uint16_t code = 0; ///< The operation, such as `BPF_JMP | BPF_JEQ | BPF_K`.
    std::uint8_t jt = 0;    ///< The instructions that a jump skips if its condition holds.
    std::uint8_t jf = 0;    ///< The instructions that it skips otherwise.
    std::uint32_t k = 0;    ///< The operand.

    /// Compares all members.
    friend bool operator==(bpf_instruction const&, bpf_instruction const&) = default;
};

namespace detail {

template <class T>
concept bpf_code = requires(T const& instruction)
{
    bpf_instruction{instruction.code, instruction.jt, instruction.jf, instruction.k};
};

/// A range of `sock_filter` or `bpf_instruction`.
template <class T>
concept bpf_program = range<T const> && bpf_code<range_value<T const>>;

/// Maps ids of a new user namespace to ids of the parent's.
struct id_range {
    std::uint32_t inside, outside, count;
};

} // namespace detail
} // namespace brood

#endif
