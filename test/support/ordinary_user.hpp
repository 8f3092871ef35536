// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_ORDINARY_USER_HPP
#define BROOD_TEST_SUPPORT_ORDINARY_USER_HPP

#include "support/support.hpp"
#include "support/system.hpp"

#include <sys/stat.h>
#include <unistd.h>

namespace test {

/// Gives this process the ids of an ordinary user. The destructor restores them.
class ordinary_user {
public:
    ordinary_user()
    {
        if (::geteuid() == 0)
            changed_ = system::become_user(some_user, true);
    }

    ~ordinary_user()
    {
        if (changed_)
            (void)system::become_root_again();
    }

    ordinary_user(ordinary_user const&) = delete;
    ordinary_user& operator=(ordinary_user const&) = delete;

    /// Whether this process has them: a container may have no user but root.
    explicit operator bool() const { return ::geteuid() != 0; }

private:
    static constexpr uid_t some_user = 1234;

    bool changed_ = false;
};

/// A folder that every user can enter, with a copy of the probe.
class public_folder : public scratch_folder {
public:
    public_folder()
    {
        ::chmod(path().c_str(), 0755);
        std::filesystem::copy_file(probe_path(), program());
        ::chmod(program().c_str(), 0755);
    }

    std::string program() const { return path("probe"); }

    /// Makes the program run as root for every user.
    bool set_user_id() const { return ::geteuid() == 0 && ::chmod(program().c_str(), 04755) == 0; }

    template <class... Args>
    brood::command probe(backend_config const& w, Args const&... args) const
    {
        return brood::command(program(), args...).backend(w.backend).watcher(w.watcher);
    }
};

} // namespace test

#endif
