// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The least that a program on Asio can do: the floor's child, awaited through Asio's reactor.
#include "least_child.hpp"
#include "pidfd_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <optional>

namespace bench {
namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

class floor_on_asio final : public way {
public:
    floor_on_asio(int slots, audience& told)
        : told_(told), stack_(new char[least_stack_size]), children_(static_cast<std::size_t>(slots))
    {}

    void start(int slot, std::string const& program) override
    {
        int pidfd = -1;
        auto& one = children_[static_cast<std::size_t>(slot)];
        one.pid = start_least_child(program, stack_.get(), true, pidfd);
        one.pidfd.emplace(context_, pidfd);
        one.pidfd->async_wait(stream_descriptor::wait_read, [this, slot](boost::system::error_code) { reap(slot); });
        told_.started(slot);
    }

    void turn() override { context_.run_one(); }
    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].pid; }

private:
    struct child {
        pid_t pid = 0;
        std::optional<stream_descriptor> pidfd;
    };

    void reap(int slot)
    {
        auto& pidfd = children_[static_cast<std::size_t>(slot)].pidfd;
        bool const success = reap_child(pidfd->native_handle());
        pidfd.reset();
        told_.ended(slot, success);
    }

    audience& told_;
    std::unique_ptr<char[]> stack_;
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::vector<child> children_;
};

registration const
    all({"floor on Asio", [](int slots, audience& told) { return std::make_unique<floor_on_asio>(slots, told); }});

} // namespace
} // namespace bench
