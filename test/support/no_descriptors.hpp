// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_NO_DESCRIPTORS_HPP
#define BROOD_TEST_SUPPORT_NO_DESCRIPTORS_HPP

#include "os/descriptors.hpp"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

#include <sys/resource.h>

namespace test {

/// Uses up the descriptors of this process, which has a limit of 64 for the lifetime of the object.
class no_descriptors {
public:
    no_descriptors()
    {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit const low{64, before_.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
        while (auto fd = brood::os::duplicate_above(1, 2))
            taken_.push_back(std::move(fd).value());
    }

    ~no_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

    no_descriptors(no_descriptors const&) = delete;
    no_descriptors& operator=(no_descriptors const&) = delete;

private:
    rlimit before_{};
    std::vector<brood::os::unique_fd> taken_;
};

} // namespace test

#endif
