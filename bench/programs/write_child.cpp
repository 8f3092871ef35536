// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Writes as many MiB to its standard output as its argument says, as fast as a program can.
#include <cstdlib>

#include <unistd.h>

namespace {

constexpr std::size_t mib = 1024 * 1024;
char text[mib]; // what is written matters to nobody

} // namespace

int main(int, char** argv)
{
    auto left = std::strtoull(argv[1], nullptr, 10) * mib;
    while (left > 0) {
        auto const written = ::write(STDOUT_FILENO, text, left < mib ? left : mib);
        if (written <= 0)
            return 1;
        left -= static_cast<std::size_t>(written);
    }
}
