// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_WAY_HPP
#define BROOD_BENCH_WAY_HPP

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bench {

/// Is told what becomes of the children, each known by its slot. Must not throw: C code may lie between.
class audience {
public:
    virtual void started(int slot) noexcept = 0;             ///< Its program runs.
    virtual void ended(int slot, bool success) noexcept = 0; ///< It has been reaped; the slot is free.

protected:
    ~audience() = default;
};

/// One library's way to start children and to await them on an event loop.
class way {
public:
    virtual ~way() = default;

    /// Starts a child in a free slot. The audience may be told at once that it runs, and of its end only in a turn.
    virtual void start(int slot, std::string const& program) = 0;

    /// Waits until something happens, and handles it. Only while a child is there to wait for.
    virtual void turn() = 0;

    /// The process in a slot.
    virtual pid_t pid(int slot) const = 0;
};

/// What is known of a way before it is made.
struct kind {
    std::string name;
    std::function<std::unique_ptr<way>(int slots, audience&)> make;
    bool copies_page_tables = false;                     ///< It forks: milliseconds for each child of a big parent.
    int most_children = std::numeric_limits<int>::max(); ///< More take it minutes.
};

/// All that are built in, in no order.
std::vector<kind>& kinds();

/// Those of a list of names, in its order: floor,brood. Tells of a name that is not built in, and leaves it out.
std::vector<kind> find_kinds(std::string const& names);

/// Adds one to `kinds()`: a file that defines such an object is all that a further library needs.
struct registration {
    explicit registration(kind one) { kinds().push_back(std::move(one)); }
};

} // namespace bench

#endif
