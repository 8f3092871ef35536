// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_COMMAND_STRING_BLOCK_HPP
#define BROOD_LIB_COMMAND_STRING_BLOCK_HPP

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace brood {

/// Strings in one piece of memory, behind the null-terminated array of pointers to them that execve(2) takes.
class string_block {
public:
    string_block() = default;

    /// With room for so many strings, of so many characters in all. More of them make it move.
    string_block(std::size_t strings, std::size_t characters)
        : memory_(new char*[strings + 1 + (characters + strings) / sizeof(char*) + 1]), // not initialised
          most_(strings),
          text_(reinterpret_cast<char*>(memory_.get() + strings + 1)),
          end_(text_),
          room_(characters + strings)
    {
        memory_[0] = nullptr;
    }

    void add(std::string_view text)
    {
        begin(text.size() + 1);
        put(text);
        *end_++ = '\0';
    }

    /// Adds three pieces as one string.
    void add(std::string_view a, std::string_view b, std::string_view c)
    {
        begin(a.size() + b.size() + c.size() + 1);
        put(a);
        put(b);
        put(c);
        *end_++ = '\0';
    }

    std::size_t size() const noexcept { return size_; }
    std::string_view operator[](std::size_t i) const noexcept { return memory_[i]; }

    /// The array. It stays where it is when the block is moved, but not when a string is added.
    char* const* pointers() const noexcept { return memory_ ? memory_.get() : &no_strings; }

private:
    void begin(std::size_t length)
    {
        if (size_ == most_ || length > room_)
            grow(length);
        room_ -= length;
        memory_[size_] = end_;
        memory_[++size_] = nullptr;
    }

    void put(std::string_view piece) { end_ = std::copy(piece.begin(), piece.end(), end_); }

    void grow(std::size_t more)
    {
        string_block bigger(2 * size_ + 4, 2 * (static_cast<std::size_t>(end_ - text_) + more));
        for (std::size_t i = 0; i < size_; ++i)
            bigger.add((*this)[i]);
        *this = std::move(bigger);
    }

    static constexpr char* no_strings = nullptr;

    std::unique_ptr<char*[]> memory_; // the pointers, then the text
    std::size_t size_ = 0, most_ = 0;
    char* text_ = nullptr;
    char* end_ = nullptr;
    std::size_t room_ = 0; // behind the text
};

} // namespace brood

#endif
