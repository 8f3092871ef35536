// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_SPAWN_STRING_BLOCK_HPP
#define BROOD_LIB_SPAWN_STRING_BLOCK_HPP

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

namespace brood::detail {

/// A null-terminated array of strings for execve(2). The pointers and the text share one allocation.
class string_block {
public:
    string_block() = default;

    /// Reserves space for a number of strings with a total number of characters. The block grows if more are added.
    string_block(std::size_t strings, std::size_t characters)
        : memory_(new char*[strings + 1 + (characters + strings) / sizeof(char*) + 1]), // not initialised
          capacity_(strings),
          text_(reinterpret_cast<char*>(memory_.get() + strings + 1)),
          end_(text_),
          free_chars_(characters + strings)
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

    /// The array of pointers. Moving the block keeps it valid; adding a string may invalidate it.
    char* const* pointers() const noexcept { return memory_ ? memory_.get() : &no_strings; }

private:
    void begin(std::size_t length)
    {
        if (size_ == capacity_ || length > free_chars_)
            grow(length);
        free_chars_ -= length;
        memory_[size_] = end_;
        memory_[++size_] = nullptr;
    }

    void put(std::string_view piece) { end_ = std::copy(piece.begin(), piece.end(), end_); }

    void grow(std::size_t length)
    {
        string_block larger(2 * size_ + 4, 2 * (static_cast<std::size_t>(end_ - text_) + length));
        for (std::size_t i = 0; i < size_; ++i)
            larger.add((*this)[i]);
        *this = std::move(larger);
    }

    static constexpr char* no_strings = nullptr;

    std::unique_ptr<char*[]> memory_; // the pointers, then the text
    std::size_t size_ = 0, capacity_ = 0;
    char* text_ = nullptr;
    char* end_ = nullptr;
    std::size_t free_chars_ = 0; // unused memory after the text
};

} // namespace brood::detail

#endif
