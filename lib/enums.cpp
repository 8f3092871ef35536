// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/backend.hpp>
#include <brood/child_group.hpp>
#include <brood/error.hpp>
#include <brood/isolation.hpp>
#include <brood/run.hpp>
#include <brood/stdio.hpp>

#include <ostream>

namespace brood {

std::ostream& operator<<(std::ostream& out, spawn_backend backend)
{
    switch (backend) {
    case spawn_backend::automatic: return out << "automatic";
    case spawn_backend::posix_spawn: return out << "posix_spawn";
    case spawn_backend::vfork: return out << "vfork";
    case spawn_backend::fork: return out << "fork";
    }
    return out << "unknown backend";
}

std::ostream& operator<<(std::ostream& out, exit_watcher watcher)
{
    switch (watcher) {
    case exit_watcher::automatic: return out << "automatic";
    case exit_watcher::pidfd: return out << "pidfd";
    case exit_watcher::sigchld: return out << "sigchld";
    }
    return out << "unknown watcher";
}

std::ostream& operator<<(std::ostream& out, spawn_stage stage) { return out << to_string(stage); }

std::ostream& operator<<(std::ostream& out, ns kind)
{
    switch (kind) {
    case ns::user: return out << "user";
    case ns::mount: return out << "mount";
    case ns::pid: return out << "pid";
    case ns::net: return out << "net";
    case ns::ipc: return out << "ipc";
    case ns::uts: return out << "uts";
    case ns::cgroup: return out << "cgroup";
    }
    return out << "unknown namespace";
}

std::ostream& operator<<(std::ostream& out, open_mode mode)
{
    switch (mode) {
    case open_mode::read: return out << "read";
    case open_mode::write: return out << "write";
    case open_mode::append: return out << "append";
    }
    return out << "unknown mode";
}

std::ostream& operator<<(std::ostream& out, limit_policy policy)
{
    switch (policy) {
    case limit_policy::stop_child: return out << "stop_child";
    case limit_policy::discard: return out << "discard";
    }
    return out << "unknown policy";
}

std::ostream& operator<<(std::ostream& out, failure_policy policy)
{
    switch (policy) {
    case failure_policy::carry_on: return out << "carry_on";
    case failure_policy::stop_rest: return out << "stop_rest";
    }
    return out << "unknown policy";
}

} // namespace brood
