// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_COMMAND_STRING_BLOCK_HPP
#define BROOD_LIB_COMMAND_STRING_BLOCK_HPP

#include <cstddef>
#include <string_view>
#include <vector>

namespace brood {

/// Strings in one piece of memory, with the null-terminated array of pointers that execve(2) takes.
class string_block {
public:
    /// Room for so many strings, with so many characters in all.
    void reserve(std::size_t strings, std::size_t characters)
    {
        starts_.reserve(strings);
        pointers_.reserve(strings + 1);
        text_.reserve(characters + strings);
    }

    void add(std::string_view text)
    {
        starts_.push_back(text_.size());
        text_.insert(text_.end(), text.begin(), text.end());
        text_.push_back('\0');
    }

    /// Adds three pieces as one string.
    void add(std::string_view a, std::string_view b, std::string_view c)
    {
        starts_.push_back(text_.size());
        for (auto piece : {a, b, c})
            text_.insert(text_.end(), piece.begin(), piece.end());
        text_.push_back('\0');
    }

    std::size_t size() const noexcept { return starts_.size(); }
    std::string_view operator[](std::size_t i) const noexcept { return &text_[starts_[i]]; }

    /// Makes the array; the block must not be added to any more.
    char* const* seal()
    {
        pointers_.clear();
        pointers_.reserve(starts_.size() + 1);
        for (auto start : starts_)
            pointers_.push_back(&text_[start]);
        pointers_.push_back(nullptr);
        return pointers_.data();
    }

private:
    std::vector<char> text_; // not a string: its characters stay where they are when the block moves
    std::vector<std::size_t> starts_;
    std::vector<char*> pointers_;
};

} // namespace brood

#endif
