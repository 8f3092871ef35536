// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "../spawner.hpp"

#include <stdexcept>

#include <uv.h>

namespace bench {
namespace {

class libuv_spawner final : public spawner {
public:
    libuv_spawner(int slots, listener& listener) : listener_(listener), children_(static_cast<std::size_t>(slots))
    {
        check(::uv_loop_init(&loop_));
        for (int slot = 0; slot < slots; ++slot)
            entry(slot).slot = slot;
    }

    ~libuv_spawner() override
    {
        ::uv_run(&loop_, UV_RUN_DEFAULT);
        ::uv_loop_close(&loop_);
    }

    void start(int slot, std::string const& program) override
    {
        auto& started = entry(slot);
        char* argv[] = {const_cast<char*>(program.c_str()), nullptr};
        uv_process_options_t options{};
        options.file = argv[0];
        options.args = argv;
        options.exit_cb = [](uv_process_t* handle, std::int64_t status, int signal) {
            auto& exited = *static_cast<child_entry*>(handle->data);
            exited.success = status == 0 && signal == 0;
            // The loop uses the handle until it has been closed, in the same iteration.
            ::uv_close(reinterpret_cast<uv_handle_t*>(handle), [](uv_handle_t* closed) {
                auto& owned = *static_cast<child_entry*>(closed->data);
                owned.owner->listener_.on_exited(owned.slot, owned.success);
            });
        };
        started.owner = this;
        started.process.data = &started;
        check(::uv_spawn(&loop_, &started.process, &options));
        listener_.on_started(slot);
    }

    void run_once() override { ::uv_run(&loop_, UV_RUN_ONCE); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].process.pid; }

private:
    struct child_entry {
        uv_process_t process{};
        libuv_spawner* owner = nullptr;
        int slot = 0;
        bool success = false;
    };

    static void check(int result)
    {
        if (result < 0)
            throw std::runtime_error(::uv_strerror(result));
    }

    child_entry& entry(int slot) { return children_[static_cast<std::size_t>(slot)]; }

    listener& listener_;
    uv_loop_t loop_{};
    std::vector<child_entry> children_;
};

registration const registered(
    {"libuv", [](int slots, listener& listener) { return std::make_unique<libuv_spawner>(slots, listener); }, true,
     4000});

} // namespace
} // namespace bench
