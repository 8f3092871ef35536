// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_ID_MAP_GATE_HPP
#define BROOD_LIB_SPAWN_ID_MAP_GATE_HPP

#include "os/descriptors.hpp"
#include "os/fork.hpp"
#include "os/namespaces.hpp"

namespace brood::detail {

/// Holds a child in a new user namespace until its parent has mapped the ids.
/**
 * Only the parent has the right to map other ids than its own. A pipe leads to the child, which reads an errno from it
 * before it carries out any other step. If the parent dies, the pipe ends and the child exits.
 */
class id_map_gate {
public:
    static result<id_map_gate> create();

    int child_end() const noexcept { return child_end_.get(); }
    int parent_end() const noexcept { return parent_end_.get(); }

    /// Maps the ids and lets the child continue. If that fails, the child reports the error.
    void open(pid_t child, os::id_maps const& maps) noexcept;

private:
    id_map_gate(os::private_fd child_end, os::private_fd parent_end) noexcept
        : child_end_(std::move(child_end)), parent_end_(std::move(parent_end))
    {}

    os::private_fd child_end_, parent_end_;
};

} // namespace brood::detail

#endif
