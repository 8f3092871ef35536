// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_PARENT_ENVIRONMENT_HPP
#define BROOD_TEST_SUPPORT_PARENT_ENVIRONMENT_HPP

#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

extern char** environ; // macOS does not declare it

namespace test {

/// Replaces the environment of this process, and restores it.
class parent_environment {
public:
    explicit parent_environment(std::vector<std::string> entries) : before_(environ), entries_(std::move(entries))
    {
        for (auto& entry : entries_)
            pointers_.push_back(entry.data());
        pointers_.push_back(nullptr);
        environ = pointers_.data();
    }
    ~parent_environment() { environ = before_; }

    parent_environment(parent_environment const&) = delete;
    parent_environment& operator=(parent_environment const&) = delete;

private:
    char** before_;
    std::vector<std::string> entries_;
    std::vector<char*> pointers_;
};

} // namespace test

#endif
