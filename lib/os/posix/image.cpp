// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/image.hpp"

#include <cerrno>
#include <cstring>

namespace brood::os {

result<unique_fd> make_image(std::span<unsigned char const>, long, std::span<char const>) noexcept
{
    return error_code(ENOSYS, boost::system::system_category());
}

result<unique_fd> open_installed_copy(std::span<unsigned char const>, char const*)
{
    return error_code(ENOENT, boost::system::system_category());
}

// There is no relay, and no system but Linux has these names in procfs.
bool leads_to_procfs(char const* path) noexcept
{
    for (char const* folder : {"/proc/", "/dev/fd/", "/dev/std"})
        if (std::strncmp(path, folder, std::strlen(folder)) == 0)
            return true;
    return false;
}

} // namespace brood::os
