// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_CGROUP_SCOPE_HPP
#define BROOD_CGROUP_SCOPE_HPP

#include <brood/command.hpp>
#include <brood/detail/export.hpp>
#include <brood/detail/initiation.hpp>
#include <brood/result.hpp>
#include <brood/tree_usage.hpp>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace brood {

namespace detail {

using cgroup_kill_handler = boost::asio::any_completion_handler<void(error_code)>;

/// Below the cgroup of this process if `parent` is empty.
BROOD_API result<std::shared_ptr<cgroup_root>> create_cgroup_root(std::string parent);
BROOD_API std::string const& path_of(cgroup_root const& root) noexcept;
BROOD_API result<void> set_limit(cgroup_root const& root, char const* file, std::string const& value);
BROOD_API tree_usage usage_of(cgroup_root const& root) noexcept;
BROOD_API result<void> kill_all(cgroup_root const& root) noexcept;
BROOD_API void close(cgroup_root& root) noexcept;
BROOD_API void async_kill_all(
    boost::asio::any_io_executor const& executor, std::shared_ptr<cgroup_root> root, cgroup_kill_handler handler);

} // namespace detail

/// A cgroup v2 that this process has created for children, with limits (cgroups(7)). Linux only.
/**
 * @code
 * auto scope = brood::cgroup_scope::create(context, "/sys/fs/cgroup/jobs").value();
 * scope.memory_max(512 << 20).value();
 * auto child = brood::spawn(context, brood::command("convert", "in", "out").cgroup(scope).contained());
 * @endcode
 *
 * Each child that is started with `command::cgroup(scope)` has a cgroup of its own below the scope. The limits apply to
 * all of them together.
 *
 * Move-only; a moved-from object may only be assigned to and destroyed. In a process that this one has forked, no child
 * can be started in it. When the object is destroyed, or this process ends, also by SIGKILL, every process in the scope
 * is killed and the cgroup is removed.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: all functions but moving and destroying may be called from several threads at
 * once.
 */
class cgroup_scope {
public:
    /// Creates a cgroup below the cgroup `parent`, which must be delegated to this process.
    /**
     * Limits require that the controllers are enabled for the children of `parent`, and then no process may be in
     * `parent` itself.
     *
     * @par Errors
     * With stage `cgroup`: `invalid_argument` if `parent` is not a cgroup v2 directory, `permission_denied` if this
     * process may not create a cgroup there, `not_supported` on systems without cgroup.kill (Linux 5.14), and on those
     * that execute neither memory files nor the program that is installed with the library.
     */
    template <detail::executor_or_context Source>
    static result<cgroup_scope> create(Source&& source, detail::text_arg parent)
    {
        return create_below(detail::get_executor(source), std::string(parent));
    }

    /// Creates a cgroup below the cgroup of this process.
    template <detail::executor_or_context Source>
    static result<cgroup_scope> create(Source&& source)
    {
        return create_below(detail::get_executor(source), {});
    }

    /// Takes over the cgroup.
    cgroup_scope(cgroup_scope&&) noexcept = default;

    /// Replaces the scope. The previous one is destroyed.
    cgroup_scope& operator=(cgroup_scope&& other) noexcept
    {
        cgroup_scope assigned(std::move(other));
        std::swap(executor_, assigned.executor_);
        std::swap(root_, assigned.root_);
        return *this;
    }

    /// Kills every process in the scope. Never blocks. The cgroup is removed when it is empty.
    ~cgroup_scope()
    {
        if (root_)
            detail::close(*root_);
    }

    /// The directory of the cgroup.
    std::string const& path() const noexcept { return detail::path_of(*root_); }

    /// The largest amount of memory in bytes. The system kills processes that need more.
    /**
     * @par Errors
     * For all limits: `not_supported` if the system has not enabled the controller.
     */
    result<void> memory_max(std::uint64_t bytes) { return set("memory.max", std::to_string(bytes)); }

    /// The largest number of processes and threads at once. fork(2) fails beyond.
    result<void> pids_max(std::uint64_t count) { return set("pids.max", std::to_string(count)); }

    /// The processor time in each period. Twice the period are two processors.
    result<void>
    cpu_max(std::chrono::microseconds quota, std::chrono::microseconds period = std::chrono::milliseconds(100))
    {
        return set("cpu.max", std::to_string(quota.count()) + ' ' + std::to_string(period.count()));
    }

    /// What all children of the scope have used.
    brood::tree_usage tree_usage() const noexcept { return detail::usage_of(*root_); }

    /// Kills every process in the scope. Further children may be started.
    result<void> kill() { return detail::kill_all(*root_); }

    /// Kills every process in the scope and waits until none is left. The children are still to be waited for.
    /**
     * @par Completion Signature
     * @code void(error_code) @endcode
     *
     * @par Per-Operation Cancellation
     * `terminal`, `partial` and `total`. The processes have been killed by then.
     */
    template <class CompletionToken = boost::asio::deferred_t>
    auto async_kill(CompletionToken&& token = {})
    {
        return detail::initiate<void(error_code)>(
            executor_, std::forward<CompletionToken>(token), [executor = executor_, root = root_](auto&& handler) {
                detail::async_kill_all(executor, root, std::forward<decltype(handler)>(handler));
            });
    }

private:
    friend class command;

    cgroup_scope(boost::asio::any_io_executor executor, std::shared_ptr<detail::cgroup_root> root)
        : executor_(std::move(executor)), root_(std::move(root))
    {}

    static result<cgroup_scope> create_below(boost::asio::any_io_executor executor, std::string parent)
    {
        auto root = detail::create_cgroup_root(std::move(parent));
        if (!root)
            return root.error();
        return cgroup_scope(std::move(executor), std::move(root).value());
    }

    result<void> set(char const* file, std::string const& value) { return detail::set_limit(*root_, file, value); }

    boost::asio::any_io_executor executor_;
    std::shared_ptr<detail::cgroup_root> root_;
};

} // namespace brood

#endif
