// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_CAPTURE_HPP
#define BROOD_LIB_IO_CAPTURE_HPP

#include "os/memory.hpp"

#include <boost/asio/buffer.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <limits>
#include <string>

namespace brood::detail {

namespace asio = boost::asio;

/// The text of one stream, up to a limit, with room at its end for the next read.
/**
 * Reads go straight into the text. What is over the limit lands in the room too, where the next read overwrites it.
 */
class capture {
public:
    explicit capture(std::size_t limit) : limit_(limit) {}

    /// Where the next read goes; nothing where there is no memory.
    asio::mutable_buffer room()
    {
        // A small stream needs little, a large one is read in large pieces.
        auto const block = std::clamp(seen_, least_block, most_block);
        if (text_.size() - kept_ < block / 2 && !grow(kept_ + block))
            return {};
        return asio::buffer(text_.data() + kept_, text_.size() - kept_);
    }

    /// That many bytes have been read into the room.
    void take(std::size_t count)
    {
        seen_ += count;
        kept_ += std::min(count, limit_ - kept_);
    }

    /// How much has come, also over the limit.
    std::size_t seen() const { return seen_; }
    bool truncated() const { return seen_ > kept_; }

    std::string release()
    {
        text_.resize(kept_);
        return std::move(text_);
    }

private:
    static constexpr std::size_t least_block = 4096;
    static constexpr std::size_t most_block = 256 * 1024;
    static constexpr std::size_t large = 1024 * 1024;
    static constexpr std::size_t most_size = std::numeric_limits<std::ptrdiff_t>::max();

    bool grow(std::size_t size)
    {
        if (size > text_.capacity() && !reserve(size))
            return false;
        // Before the read: in there, each page's first touch would hold up the child's writing too.
        os::provide(text_.data() + text_.size(), size - text_.size());
        text_.resize(size);
        return true;
    }

    // In large strides: what is reserved but not used costs nothing, and what is moved is paid for twice, by the copy
    // and by the first touch of the new memory. Where the system grants no such stride, a smaller one has to do.
    bool reserve(std::size_t size)
    {
        for (std::size_t stride : {text_.capacity() < large ? 4u : 64u, 2u, 1u})
            if (move_to(std::max(size, std::min(text_.capacity(), most_needed() / stride) * stride)))
                return true;
        return false;
    }

    bool move_to(std::size_t capacity)
    {
        try {
            std::string larger;
            larger.reserve(capacity);
            os::provide(larger.data(), kept_);
            larger.assign(text_.data(), kept_);
            text_ = std::move(larger);
            return true;
        } catch (std::exception const&) {
            return false;
        }
    }

    std::size_t most_needed() const { return std::min(limit_, most_size - most_block) + most_block; }

    std::string text_; // the stream's first kept_ bytes, then room
    std::size_t kept_ = 0;
    std::size_t seen_ = 0;
    std::size_t limit_;
};

} // namespace brood::detail

#endif
