// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_ENVIRONMENT_HPP
#define BROOD_ENVIRONMENT_HPP

#include <brood/export.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace brood {

/// Changes to make to the parent's environment for a child. A value.
class environment {
public:
    /// Sets a variable.
    environment& set(std::string key, std::string value)
    {
        changes_.insert_or_assign(std::move(key), std::move(value));
        return *this;
    }

    /// Takes a variable away.
    environment& remove(std::string key)
    {
        changes_.insert_or_assign(std::move(key), std::nullopt);
        return *this;
    }

    /// Starts from nothing: drops what the parent has and what was set before.
    environment& clear()
    {
        cleared_ = true;
        changes_.clear();
        return *this;
    }

    bool cleared() const noexcept { return cleared_; }
    bool unchanged() const noexcept { return !cleared_ && changes_.empty(); }

    /// The variables set, and those removed (no value), by key.
    std::map<std::string, std::optional<std::string>, std::less<>> const& changes() const noexcept { return changes_; }

private:
    std::map<std::string, std::optional<std::string>, std::less<>> changes_;
    bool cleared_ = false;
};

/// The lock under which the library reads `environ`.
/**
 * setenv(3) and putenv(3) are not thread-safe. A program that calls them while another thread may spawn holds
 * this lock meanwhile.
 */
BROOD_API std::mutex& environment_mutex() noexcept;

} // namespace brood

#endif
