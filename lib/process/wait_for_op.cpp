// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/timed_wait.hpp"

#include <algorithm>
#include <new>

namespace brood::detail {
namespace {

/// `basic_child::async_wait_for`.
class wait_for_op final : public timed_wait {
public:
    wait_for_op(std::shared_ptr<child_state> child, duration time, wait_handler handler)
        : timed_wait(std::move(child), std::move(handler)), time_(time)
    {}

private:
    void begin() override
    {
        timer().expires_after(std::max(time_, duration::zero()));
        try {
            timer().async_wait([this, self = shared_from_this()](error_code error) {
                if (!error.failed())
                    on_expired();
            });
        } catch (std::bad_alloc const&) {
            finish(make_error_code(boost::system::errc::not_enough_memory), {});
        }
    }

    // The child may have ended just before.
    void on_expired()
    {
        auto const polled = child().try_wait();
        if (polled && !polled.value())
            finish(errc::timed_out, {});
        else
            finish(polled ? error_code() : polled.error(), polled ? *polled.value() : exit_status());
    }

    duration time_;
};

} // namespace

void child_state::async_wait_for(duration time, wait_handler handler)
{
    auto self = std::static_pointer_cast<child_state>(shared_from_this());
    std::make_shared<wait_for_op>(std::move(self), time, std::move(handler))->start();
}

} // namespace brood::detail
