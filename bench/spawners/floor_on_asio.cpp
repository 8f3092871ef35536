// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The child of the floor, with Asio's reactor as the event loop: the lower bound for a program that uses Asio.
#include "minimal_child.hpp"
#include "pidfd_loop.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <optional>

namespace bench {
namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

class floor_on_asio final : public spawner {
public:
    floor_on_asio(int slots, listener& listener)
        : listener_(listener), stack_(new char[minimal_stack_size]), children_(static_cast<std::size_t>(slots))
    {}

    void start(int slot, std::string const& program) override
    {
        int pidfd = -1;
        auto& child = children_[static_cast<std::size_t>(slot)];
        child.pid = spawn_minimal_child(program, stack_.get(), true, pidfd);
        child.pidfd.emplace(context_, pidfd);
        child.pidfd->async_wait(stream_descriptor::wait_read, [this, slot](boost::system::error_code) { reap(slot); });
        listener_.on_started(slot);
    }

    void run_once() override { context_.run_one(); }
    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].pid; }

private:
    struct child_entry {
        pid_t pid = 0;
        std::optional<stream_descriptor> pidfd;
    };

    void reap(int slot)
    {
        auto& pidfd = children_[static_cast<std::size_t>(slot)].pidfd;
        bool const success = reap_child(pidfd->native_handle());
        pidfd.reset();
        listener_.on_exited(slot, success);
    }

    listener& listener_;
    std::unique_ptr<char[]> stack_;
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::vector<child_entry> children_;
};

registration const registered({"floor on Asio", [](int slots, listener& listener) {
                                   return std::make_unique<floor_on_asio>(slots, listener);
                               }});

} // namespace
} // namespace bench
