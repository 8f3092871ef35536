// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_CHILD_CHILD_REGISTRY_HPP
#define BROOD_LIB_CHILD_CHILD_REGISTRY_HPP

#include <boost/asio/execution_context.hpp>

#include <mutex>

namespace brood::detail {

namespace asio = boost::asio;

class awaited_process;

/// The processes of one execution context: tells them when it goes, since they may outlive it.
class child_registry final : public asio::execution_context::service {
public:
    static inline asio::execution_context::id id;

    explicit child_registry(asio::execution_context& context) : service(context) {}

    void add(awaited_process& child);
    void remove(awaited_process& child) noexcept;

private:
    void shutdown() override;
    void unlink(awaited_process& child) noexcept; // with the lock

    std::mutex mutex_;
    awaited_process* first_ = nullptr;
};

} // namespace brood::detail

#endif
