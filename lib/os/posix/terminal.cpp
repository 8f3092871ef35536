// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/terminal.hpp"

namespace brood::os {

result<unique_fd> open_child_end(int parent_end) noexcept { return open_child_end_by_name(parent_end); }

} // namespace brood::os
