// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_SURVIVORS_HPP
#define BROOD_TEST_SUPPORT_SURVIVORS_HPP

#include "support/support.hpp"

#include <atomic>
#include <fstream>
#include <iterator>

namespace test {

/// Marks processes by a variable in their environment. Their descendants inherit it, wherever they go.
class mark {
public:
    mark()
    {
        static std::atomic<int> next = 0;
        value_ = std::to_string(::getpid()) + "." + std::to_string(++next);
    }

    brood::command& put_on(brood::command& cmd) const { return cmd.env("BROOD_TEST_MARK", value_); }
    brood::command put_on(brood::command&& cmd) const { return put_on(cmd); }

    /// The processes that carry the mark and run.
    int count() const
    {
        auto const entry = "BROOD_TEST_MARK=" + value_ + '\0';
        int found = 0;
        for (auto const& process : std::filesystem::directory_iterator("/proc")) {
            std::ifstream file(process.path() / "environ");
            std::string const environment(std::istreambuf_iterator<char>(file), {});
            found += environment.find(entry) != environment.npos;
        }
        return found;
    }

    bool disappears() const
    {
        return eventually([this] { return count() == 0; });
    }

private:
    std::string value_;
};

} // namespace test

#endif
