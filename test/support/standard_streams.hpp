// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_STANDARD_STREAMS_HPP
#define BROOD_TEST_SUPPORT_STANDARD_STREAMS_HPP

#include <array>

#include <fcntl.h>
#include <unistd.h>

namespace test {

/// Changes the descriptors 0, 1 and 2 of this process. The destructor restores them. During its lifetime nothing may be
/// checked, because doctest prints.
class standard_streams {
public:
    /// Replaces all three.
    standard_streams(int in, int out, int err)
    {
        save();
        ::dup2(in, 0);
        ::dup2(out, 1);
        ::dup2(err, 2);
    }

    /// Closes the descriptors whose bit is set.
    explicit standard_streams(unsigned closed)
    {
        save();
        for (int fd : {0, 1, 2})
            if (closed & 1u << fd)
                ::close(fd);
    }

    ~standard_streams()
    {
        for (int fd : {0, 1, 2}) {
            int const before = saved_[static_cast<std::size_t>(fd)];
            if (before < 0)
                ::close(fd);
            else
                ::dup2(before, fd);
            ::close(before);
        }
    }

    standard_streams(standard_streams const&) = delete;
    standard_streams& operator=(standard_streams const&) = delete;

private:
    void save()
    {
        for (int fd : {0, 1, 2})
            saved_[static_cast<std::size_t>(fd)] = ::fcntl(fd, F_DUPFD_CLOEXEC, 500);
    }

    std::array<int, 3> saved_{};
};

} // namespace test

#endif
