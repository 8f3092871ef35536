// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FUZZ_INPUT_HPP
#define BROOD_TEST_FUZZ_INPUT_HPP

#include <cstddef>
#include <string>
#include <string_view>

namespace test::fuzz {

/// Reads values from the bytes of a fuzzer. After the last byte, every value is 0 or empty.
class input {
public:
    explicit input(std::string_view bytes) : rest_(bytes) {}

    bool empty() const { return rest_.empty(); }

    unsigned byte()
    {
        if (rest_.empty())
            return 0;
        auto const value = static_cast<unsigned char>(rest_.front());
        rest_.remove_prefix(1);
        return value;
    }

    unsigned below(unsigned count) { return byte() % count; }
    bool flag() { return byte() & 1; }

    /// Four bytes, the lowest first.
    int number()
    {
        unsigned value = 0;
        for (unsigned shift = 0; shift < 32; shift += 8)
            value |= byte() << shift;
        return static_cast<int>(value);
    }

    /// A length of one byte, and the text.
    std::string text()
    {
        std::size_t const size = byte();
        std::string const result(rest_.substr(0, size));
        rest_.remove_prefix(result.size());
        return result;
    }

private:
    std::string_view rest_;
};

} // namespace test::fuzz

#endif
