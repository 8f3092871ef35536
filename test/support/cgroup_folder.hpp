// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_SUPPORT_CGROUP_FOLDER_HPP
#define BROOD_TEST_SUPPORT_CGROUP_FOLDER_HPP

#include "support/deny_syscalls.hpp"
#include "support/support.hpp"

#include <fstream>
#include <sstream>

#include <sys/stat.h>

namespace test {

/// The mount point of cgroup v2. Empty if it is not mounted.
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

/// The directory of a process's cgroup.
inline std::string cgroup_of(pid_t pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/cgroup");
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("0::/"))
            return cgroup_mount() + line.substr(3);
    return {};
}

/// Whether a contained child has a cgroup here, not a guard.
inline bool contains_by_cgroup()
{
    asio::io_context context;
    auto const child = brood::spawn(context, brood::command(probe_path(), "exit", "0").contained());
    return child && child.value().tree_usage();
}

/// Whether a configuration supports cgroups. vfork needs clone3, which may be refused; the automatic choice does not.
inline bool knows_cgroups(backend_config const& w)
{
    bool const clones =
        w.backend != brood::spawn_backend::vfork || denied_syscalls().find("clone3") == std::string_view::npos;
    return clones && w.backend != brood::spawn_backend::posix_spawn;
}

/// A new cgroup. The destructor removes it after its members have ended.
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
    std::string const& name() const { return name_; } ///< As in /proc/PID/cgroup of its members.

private:
    std::string name_, path_;
    bool made_ = false;
};

} // namespace test

#endif
