// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_CGROUP_FOLDER_HPP
#define BROOD_TEST_SUPPORT_CGROUP_FOLDER_HPP

#include "support/deny_syscalls.hpp"
#include "support/support.hpp"

#include <fstream>
#include <sstream>

#include <sys/stat.h>

namespace test {

/// Where cgroup v2 is mounted; nothing where it is not.
inline std::string cgroup_mount()
{
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string id, parent, device, root, place;
        words >> id >> parent >> device >> root >> place;
        if (line.find(" - cgroup2 ") != line.npos)
            return place;
    }
    return {};
}

/// Whether a way can give a child a cgroup. clone3 may be refused here; then the automatic choice still can.
inline bool knows_cgroups(backend_config const& w)
{
    bool const clones =
        w.backend != brood::spawn_backend::vfork || denied_syscalls().find("clone3") == std::string_view::npos;
    return clones && w.backend != brood::spawn_backend::posix_spawn;
}

/// A cgroup of this process's own, which goes once nothing is in it any more.
class cgroup_folder {
public:
    cgroup_folder()
    {
        static int count = 0;
        name_ = "/brood-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
        auto const mount = cgroup_mount();
        path_ = mount + name_;
        made_ = knows_linux() && !mount.empty() && ::mkdir(path_.c_str(), 0755) == 0;
    }

    ~cgroup_folder()
    {
        if (made_)
            CHECK(eventually([&] { return ::rmdir(path_.c_str()) == 0; }));
    }

    cgroup_folder(cgroup_folder const&) = delete;
    cgroup_folder& operator=(cgroup_folder const&) = delete;

    /// False if there is no cgroup v2 that this process can change. The test is then skipped with a message.
    explicit operator bool() const
    {
        if (!made_)
            MESSAGE("skipped: no cgroup can be created");
        return made_;
    }

    std::string const& path() const { return path_; }
    std::string const& name() const { return name_; } ///< As its members see it, in a hierarchy seen from its root.

private:
    std::string name_, path_;
    bool made_ = false;
};

} // namespace test

#endif
