// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "../way.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/process/v2/process.hpp>

#include <optional>

namespace bench {
namespace {

namespace asio = boost::asio;
namespace process = boost::process::v2;

class boost_process_way final : public way {
public:
    boost_process_way(int slots, audience& told) : told_(told), children_(static_cast<std::size_t>(slots)) {}

    void start(int slot, std::string const& program) override
    {
        auto& child = children_[static_cast<std::size_t>(slot)];
        child.emplace(context_.get_executor(), program, std::vector<std::string>());
        child->async_wait(
            [this, slot](boost::system::error_code ec, int code) { told_.ended(slot, !ec.failed() && code == 0); });
        told_.started(slot);
    }

    void turn() override { context_.run_one(); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)]->id(); }

private:
    audience& told_;
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> guard_{context_.get_executor()};
    std::vector<std::optional<process::process>> children_;
};

registration const all(
    {"Boost.Process v2", [](int slots, audience& told) { return std::make_unique<boost_process_way>(slots, told); },
     true, 4000}); // each of its forks tells the child about all the others

} // namespace
} // namespace bench
