// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_TEST_FAULT_LINUX_SCENARIO_RUN_HPP
#define BROOD_TEST_FAULT_LINUX_SCENARIO_RUN_HPP

#include "fault/linux/injector.hpp"
#include "os/shortage.hpp"
#include "support/support.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace test {

/// One run of a scenario, in the process under test.
/**
 * Nothing here uses doctest, whose failures the forked process could not report.
 */
class scenario_run {
public:
    using body_type = asio::awaitable<void> (*)(scenario_run&);

    enum class system_calls { watched, normal };

    scenario_run(shared_state& shared, backend_config config, std::optional<fault> const& what, system_calls calls)
        : shared_(shared), config_(config), what_(what), calls_(calls)
    {}

    asio::io_context& context() { return *context_; }

    /// From now on, system calls are counted and fail, if they are watched.
    void arm();

    template <class... Args>
    brood::command command(std::string const& program, Args const&... arguments) const
    {
        brood::command cmd(program, arguments...);
        cmd.backend(config_.backend).watcher(config_.watcher);
        return cmd;
    }

    template <class... Args>
    brood::command probe(Args const&... arguments) const
    {
        return command(probe_path(), arguments...);
    }

    backend_config config() const { return config_; }

    /// Returns whether an operation has succeeded. Else the error must be one that the fault explains.
    bool succeeded(std::string_view operation, brood::error_code error);

    template <class T>
    bool succeeded(std::string_view operation, brood::result<T> const& result)
    {
        return succeeded(operation, result ? brood::error_code() : result.error());
    }

    bool has_fault() const { return what_.has_value(); }

    /// Whether the error is that of the call that fails.
    bool is_error(int error) const { return what_ && what_->error == error; }

    /// Whether a call fails with the error.
    bool is_faulty(int call, int error) const { return what_ && what_->call == call && what_->error == error; }

    /// Whether a call of the child fails, before its exec or in the guard or watchdog.
    bool fails_in_child() const { return what_ && what_->who == caller::child; }

    /// Whether a call fails for another reason than a shortage, as where the system lacks a feature. A child
    /// reports both in the same way.
    bool lacks_feature() const { return what_ && (fails_in_child() || !brood::os::is_shortage(what_->error)); }

    /// A failure unless the condition holds.
    void expect(bool condition, std::string_view text);

    /// The completion handler of an operation that may be destroyed with the context.
    auto handler()
    {
        return [held = guard_](auto&&...) {};
    }

    /// Ends `execute`: the context is destroyed with the operations that are pending.
    void abandon_context();

    /// Runs the body on the context. Its operations end, or are destroyed with the context.
    void execute(body_type body);

private:
    void run_context();

    shared_state& shared_;
    backend_config const config_;
    std::optional<fault> const what_;
    system_calls const calls_;
    std::unique_ptr<asio::io_context> context_ = std::make_unique<asio::io_context>();
    std::shared_ptr<int> guard_ = std::make_shared<int>();
    bool thrown_ = false;
    bool abandoned_ = false;
};

/// The body of a process under test. Without a fault, its open descriptors become the note; with one, they must equal
/// `descriptors`.
void test_scenario(
    scenario_run::body_type body, backend_config config, std::optional<fault> const& what,
    std::string const& descriptors, shared_state& shared);

} // namespace test

#endif
