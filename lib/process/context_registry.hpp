// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_PROCESS_CONTEXT_REGISTRY_HPP
#define BROOD_LIB_PROCESS_CONTEXT_REGISTRY_HPP

#include <brood/detail/handle.hpp>

#include <boost/asio/execution_context.hpp>

#include <memory>
#include <mutex>
#include <vector>

namespace brood::detail {

namespace asio = boost::asio;

class waitable;

/// The processes of one execution context. Processes may outlive the context: it notifies them when it is destroyed.
class context_registry final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    explicit context_registry(asio::execution_context& context) : service(context) {}

    /// Empties the slot when the context is destroyed.
    void add(streams_slot const& slot);

    void add(waitable& process);
    void remove(waitable& process) noexcept;

    /// Reaps the children of the context that have ended.
    void reap_ended();

private:
    void shutdown() override;
    void unlink(waitable& process) noexcept; // called with the lock
    std::vector<std::weak_ptr<streams_slot::element_type>> take_slots();

    std::mutex mutex_;
    waitable* first_ = nullptr;
    std::vector<std::weak_ptr<streams_slot::element_type>> slots_;
};

} // namespace brood::detail

#endif
