// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "../spawner.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/process/v2/process.hpp>

#include <optional>

namespace bench {
namespace {

namespace asio = boost::asio;
namespace process = boost::process::v2;

class boost_process_spawner final : public spawner {
public:
    boost_process_spawner(int slots, listener& listener)
        : listener_(listener), children_(static_cast<std::size_t>(slots))
    {}

    void start(int slot, std::string const& program) override
    {
        auto& child = children_[static_cast<std::size_t>(slot)];
        child.emplace(context_.get_executor(), program, std::vector<std::string>());
        child->async_wait([this, slot](boost::system::error_code ec, int code) {
            listener_.on_exited(slot, !ec.failed() && code == 0);
        });
        listener_.on_started(slot);
    }

    void run_once() override { context_.run_one(); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)]->id(); }

private:
    listener& listener_;
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::vector<std::optional<process::process>> children_;
};

// At most 4,000 children: after each fork the child calls io_context::notify_fork, which registers the descriptors of
// all other children again.
registration const registered(
    {"Boost.Process v2",
     [](int slots, listener& listener) { return std::make_unique<boost_process_spawner>(slots, listener); }, true,
     4000});

} // namespace
} // namespace bench
