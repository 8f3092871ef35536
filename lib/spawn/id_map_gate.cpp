// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "spawn/id_map_gate.hpp"

#include "os/pipes.hpp"
#include "os/raw.hpp"

namespace brood::detail {

result<id_map_gate> id_map_gate::create()
{
    os::fork_block const block;
    auto pipe = os::make_pipe();
    if (!pipe)
        return make_error_code(spawn_stage::pipe, pipe.error().value());
    os::private_fd child_end(std::move(pipe.value().first), block);
    return id_map_gate(std::move(child_end), os::private_fd(std::move(pipe.value().second), block));
}

// This process keeps the other end open, so the write cannot fail, also if the child has been killed.
void id_map_gate::open(pid_t child, os::id_maps const& maps) noexcept
{
    int const error = os::write_id_maps(child, maps);
    (void)os::raw::write(parent_end_.get(), &error, sizeof error);
    parent_end_.reset(); // the child does not wait, whatever has happened
}

} // namespace brood::detail
