// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TERMINAL_SIZE_HPP
#define BROOD_TERMINAL_SIZE_HPP

namespace brood {

/// The size of a terminal's window in characters.
struct terminal_size {
    unsigned short rows = 24;    ///< The height.
    unsigned short columns = 80; ///< The width.

    /// Compares all members.
    friend bool operator==(terminal_size const&, terminal_size const&) = default;
};

} // namespace brood

#endif
