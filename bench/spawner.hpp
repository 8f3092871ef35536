// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_BENCH_SPAWNER_HPP
#define BROOD_BENCH_SPAWNER_HPP

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <sys/types.h>

namespace bench {

/// Receives the events of children. A slot identifies the child.
/**
 * The functions must not throw, because C libraries call them.
 */
class listener {
public:
    virtual void on_started(int slot) noexcept = 0;              ///< The program runs.
    virtual void on_exited(int slot, bool success) noexcept = 0; ///< The child has been reaped and the slot is free.

protected:
    ~listener() = default;
};

/// Starts children with one library, and waits for them on the library's event loop.
class spawner {
public:
    virtual ~spawner() = default;

    /// Starts a child in a free slot.
    /**
     * It may call `listener::on_started` before it returns. Only `run_once` calls `listener::on_exited`.
     */
    virtual void start(int slot, std::string const& program) = 0;

    /// Waits for events and handles them. Requires a child.
    virtual void run_once() = 0;

    /// The process id of the child in a slot.
    virtual pid_t pid(int slot) const = 0;
};

/// Creates spawners of one kind.
struct spawner_kind {
    std::string name;
    std::function<std::unique_ptr<spawner>(int slots, listener&)> create;
    bool copies_page_tables = false;                    ///< It forks: a child of a large parent takes milliseconds.
    int max_children = std::numeric_limits<int>::max(); ///< With more children a benchmark takes minutes.
};

/// Every kind that has been built, in unspecified order.
std::vector<spawner_kind>& spawner_kinds();

/// The kinds in a comma-separated list of names, in its order. Prints and skips a name that has not been built.
std::vector<spawner_kind> find_spawner_kinds(std::string const& names);

/// Adds a kind to `spawner_kinds()`. Each file in spawners/ defines objects of this type.
struct registration {
    explicit registration(spawner_kind kind) { spawner_kinds().push_back(std::move(kind)); }
};

} // namespace bench

#endif
