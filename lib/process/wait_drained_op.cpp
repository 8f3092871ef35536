// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/timed_wait.hpp"

#include <algorithm>
#include <chrono>
#include <new>

namespace brood::detail {
namespace {

using clock = std::chrono::steady_clock;

/// `basic_child::async_wait_drained`.
class wait_drained_op final : public timed_wait {
public:
    wait_drained_op(std::shared_ptr<child_state> child, duration grace, wait_handler handler)
        : timed_wait(std::move(child), std::move(handler)), grace_(std::max(grace, duration::zero()))
    {}

private:
    void begin() override {}

    void on_ended(error_code error, exit_status status) override
    {
        if (error.failed())
            return finish(error, status);
        status_ = status;
        ended_ = clock::now();
        check();
    }

    // Most streams have ended by now. Those that a descendant holds are looked at more and more rarely.
    void check()
    {
        if (finished())
            return;
        if (!child().is_output_held_open())
            return finish({}, status_);
        auto const left = grace_ - (clock::now() - ended_);
        if (left <= duration::zero())
            return give_up(errc::output_incomplete);
        timer().expires_after(std::min<duration>(pause_, left));
        pause_ = std::min(2 * pause_, std::chrono::milliseconds(20));
        try {
            timer().async_wait([this, self = shared_from_this()](error_code error) {
                if (!error.failed())
                    check();
            });
        } catch (std::bad_alloc const&) {
            give_up(make_error_code(boost::system::errc::not_enough_memory));
        }
    }

    void give_up(error_code error)
    {
        child().cancel_reads();
        finish(error, status_);
    }

    duration grace_;
    exit_status status_;
    clock::time_point ended_;
    std::chrono::milliseconds pause_{1};
};

} // namespace

void child_state::async_wait_drained(duration grace, wait_handler handler)
{
    auto self = std::static_pointer_cast<child_state>(shared_from_this());
    std::make_shared<wait_drained_op>(std::move(self), grace, std::move(handler))->start();
}

} // namespace brood::detail
