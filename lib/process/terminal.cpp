// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/terminal.hpp"

#include <brood/terminal.hpp>

namespace brood::detail {

result<void> resize_terminal(int fd, terminal_size size) noexcept
{
    if (auto ec = os::set_terminal_size(fd, size); ec.failed())
        return make_error_code(spawn_stage::terminal, ec.value());
    return boost::outcome_v2::success();
}

} // namespace brood::detail
