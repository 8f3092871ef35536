// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_ENVIRONMENT_HPP
#define BROOD_ENVIRONMENT_HPP

#include <brood/detail/export.hpp>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace brood {

/// Changes to the parent's environment for a child. A copyable value.
class environment {
public:
    /// Sets a variable.
    environment& set(std::string key, std::string value) &
    {
        changes_.insert_or_assign(std::move(key), std::move(value));
        return *this;
    }
    environment&& set(std::string key, std::string value) &&
    {
        return std::move(set(std::move(key), std::move(value)));
    }

    /// Removes a variable.
    environment& remove(std::string key) &
    {
        changes_.insert_or_assign(std::move(key), std::nullopt);
        return *this;
    }
    environment&& remove(std::string key) && { return std::move(remove(std::move(key))); }

    /// Starts from an empty environment. Drops the changes that were made before.
    environment& clear() &
    {
        cleared_ = true;
        changes_.clear();
        kept_.clear();
        return *this;
    }
    environment&& clear() && { return std::move(clear()); }

    /// Passes on no variable of the parent, except those of further calls.
    environment& keep() &
    {
        cleared_ = true;
        return *this;
    }
    environment&& keep() && { return std::move(keep()); }

    /// Passes on this variable of the parent, and no others except those of further calls.
    environment& keep(std::string key) &
    {
        cleared_ = true;
        kept_.insert(std::move(key));
        return *this;
    }
    environment&& keep(std::string key) && { return std::move(keep(std::move(key))); }

    /// Whether the parent's variables are dropped, except those in `kept()`.
    bool cleared() const noexcept { return cleared_; }

    /// Whether the variables are the parent's.
    bool unchanged() const noexcept { return !cleared_ && changes_.empty(); }

    /// The variables that are set, and those that are removed (no value), by key.
    std::map<std::string, std::optional<std::string>, std::less<>> const& changes() const noexcept { return changes_; }

    /// The parent's variables that are kept although the others are dropped.
    std::set<std::string, std::less<>> const& kept() const noexcept { return kept_; }

private:
    std::set<std::string, std::less<>> kept_;
    std::map<std::string, std::optional<std::string>, std::less<>> changes_;
    bool cleared_ = false;
};

/// The mutex that the library locks while it reads `environ`.
/**
 * setenv(3) and putenv(3) are not thread-safe. A program that calls them while another thread may spawn must lock
 * this mutex for the call. A thread that holds it must not call fork(3), which waits for it.
 */
BROOD_API std::mutex& environment_mutex() noexcept;

} // namespace brood

#endif
