// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_OUTPUT_BUFFER_HPP
#define BROOD_LIB_RUN_OUTPUT_BUFFER_HPP

#include "os/memory.hpp"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <limits>
#include <string>
#include <string_view>

namespace brood::detail {

namespace asio = boost::asio;

/// The text of one stream up to a limit, with room at its end for the next read.
/**
 * Reads write into the text directly. Data that is not kept, or is beyond the limit, is written into the room, and
 * overwritten by the next read.
 */
class output_buffer {
public:
    explicit output_buffer(std::size_t limit, bool keeps = true) : limit_(limit), keeps_(keeps) {}

    /// The buffer of the next read. Empty if no memory is available.
    asio::mutable_buffer room()
    {
        // Small streams use little memory, large streams are read in large blocks.
        auto const block = std::clamp(seen_, min_block, max_block);
        if (text_.size() - kept_ < block / 2 && !grow(kept_ + block))
            return {};
        return asio::buffer(text_.data() + kept_, text_.size() - kept_);
    }

    /// `count` bytes have been read into the room. Returns those within the limit, until the next call of `room`.
    std::string_view commit(std::size_t count)
    {
        auto const within = std::min(count, limit_ - taken_);
        std::string_view const piece(text_.data() + kept_, within);
        seen_ += count;
        taken_ += within;
        kept_ += keeps_ ? within : 0;
        return piece;
    }

    /// The number of bytes read, including those beyond the limit.
    std::size_t seen() const { return seen_; }
    bool truncated() const { return seen_ > taken_; }

    std::string release()
    {
        text_.resize(kept_);
        if (text_.capacity() / 2 > kept_)
            text_.shrink_to_fit();
        return std::move(text_);
    }

private:
    static constexpr std::size_t min_block = 4096;
    static constexpr std::size_t max_block = 256 * 1024;
    static constexpr std::size_t large = 1024 * 1024;
    static constexpr std::size_t max_size = std::numeric_limits<std::ptrdiff_t>::max();

    bool grow(std::size_t size)
    {
        if (size > text_.capacity() && !reserve(size))
            return false;
        // Populates the pages before the read. During the read, page faults would delay the child's writes, too.
        os::populate_pages(text_.data() + text_.size(), size - text_.size());
        text_.resize(size);
        return true;
    }

    // Grows in large strides: reserved memory that is not used is free, while moved data is paid for twice, by the copy
    // and by the page faults of the new memory. If the system refuses a stride, a smaller one is tried. A process that
    // locks all its memory would pay for what is not used.
    bool reserve(std::size_t size)
    {
        bool const is_free = text_.capacity() >= large && !os::locks_new_memory();
        for (std::size_t stride : {is_free ? 64u : 4u, 2u, 1u})
            if (move_to(std::max(size, std::min(text_.capacity(), max_needed() / stride) * stride)))
                return true;
        return false;
    }

    bool move_to(std::size_t capacity)
    {
        try {
            std::string larger;
            larger.reserve(capacity);
            os::populate_pages(larger.data(), kept_);
            larger.assign(text_.data(), kept_);
            text_ = std::move(larger);
            return true;
        } catch (std::exception const&) {
            return false;
        }
    }

    std::size_t max_needed() const { return std::min(limit_, max_size - max_block) + max_block; }

    std::string text_; // the first kept_ bytes of the stream, then room
    std::size_t kept_ = 0;
    std::size_t taken_ = 0; // within the limit
    std::size_t seen_ = 0;
    std::size_t limit_;
    bool keeps_;
};

} // namespace brood::detail

#endif
