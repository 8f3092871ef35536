// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Writes the number of MiB in its argument to its standard output, 1 MiB at a time.
#include <cstdlib>

#include <unistd.h>

namespace {

constexpr std::size_t mib = 1024 * 1024;
char text[mib];

} // namespace

int main(int, char** argv)
{
    auto remaining = std::strtoull(argv[1], nullptr, 10) * mib;
    while (remaining > 0) {
        auto const written = ::write(STDOUT_FILENO, text, remaining < mib ? remaining : mib);
        if (written <= 0)
            return 1;
        remaining -= static_cast<std::size_t>(written);
    }
}
