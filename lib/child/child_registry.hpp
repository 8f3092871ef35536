// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_CHILD_REGISTRY_HPP
#define BROOD_LIB_CHILD_CHILD_REGISTRY_HPP

#include <boost/asio/execution_context.hpp>

#include <mutex>

namespace brood::detail {

namespace asio = boost::asio;

class child_state;

/// The children of one execution context: tells them when it goes, since they may outlive it.
class child_registry final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    explicit child_registry(asio::execution_context& context) : service(context) {}

    void add(child_state& child);
    void remove(child_state& child) noexcept;

private:
    void shutdown() override;

    std::mutex mutex_;
    child_state* first_ = nullptr;
};

} // namespace brood::detail

#endif
