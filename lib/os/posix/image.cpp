// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/image.hpp"

#include <cerrno>

namespace brood::os {

result<unique_fd> make_image(std::span<unsigned char const>, long, std::span<char const>) noexcept
{
    return error_code(ENOSYS, boost::system::system_category());
}

bool leads_to_procfs(char const*) noexcept { return false; } // there is no relay

} // namespace brood::os
