// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CONTAIN_CONTAINMENT_HPP
#define BROOD_LIB_CONTAIN_CONTAINMENT_HPP

#include "contain/child_cgroup.hpp"
#include "contain/guard_link.hpp"

#include <memory>
#include <optional>

namespace brood::detail {

/// Watches for the end of a child, in order to end what the child leaves.
class rest_watch {
public:
    /// Closes the descriptors of the watch.
    virtual void stop() noexcept = 0;

protected:
    ~rest_watch() = default;
};

/// What a child has that is contained or has a cgroup of its own. Most children have none of this.
struct containment {
    std::shared_ptr<guard_link> guard;      ///< If the process is the guard of a contained program.
    std::shared_ptr<child_cgroup> cgroup;   ///< If it was created for the child. Until the end.
    std::shared_ptr<child_cgroup> pipeline; ///< After the end of a stage.
    std::shared_ptr<rest_watch> rest;       ///< Until the end.
    std::optional<tree_usage> usage;        ///< After the end of a child that is no stage.
    bool is_contained = false;
    bool is_ending = false; ///< The program has ended, and processes in the cgroup have not.
};

} // namespace brood::detail

#endif
