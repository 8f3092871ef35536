// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "../way.hpp"

#include <stdexcept>

#include <uv.h>

namespace bench {
namespace {

class libuv_way final : public way {
public:
    libuv_way(int slots, audience& told) : told_(told), children_(static_cast<std::size_t>(slots))
    {
        check(::uv_loop_init(&loop_));
        for (int slot = 0; slot < slots; ++slot)
            at(slot).slot = slot;
    }

    ~libuv_way() override
    {
        ::uv_run(&loop_, UV_RUN_DEFAULT);
        ::uv_loop_close(&loop_);
    }

    void start(int slot, std::string const& program) override
    {
        auto& child = at(slot);
        char* argv[] = {const_cast<char*>(program.c_str()), nullptr};
        uv_process_options_t options{};
        options.file = argv[0];
        options.args = argv;
        options.exit_cb = [](uv_process_t* handle, std::int64_t status, int signal) {
            auto& ended = *static_cast<one*>(handle->data);
            ended.success = status == 0 && signal == 0;
            // Its memory is the loop's until the handle has been closed, in the same turn.
            ::uv_close(reinterpret_cast<uv_handle_t*>(handle), [](uv_handle_t* closed) {
                auto& freed = *static_cast<one*>(closed->data);
                freed.owner->told_.ended(freed.slot, freed.success);
            });
        };
        child.owner = this;
        child.process.data = &child;
        check(::uv_spawn(&loop_, &child.process, &options));
        told_.started(slot);
    }

    void turn() override { ::uv_run(&loop_, UV_RUN_ONCE); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].process.pid; }

private:
    struct one {
        uv_process_t process{};
        libuv_way* owner = nullptr;
        int slot = 0;
        bool success = false;
    };

    static void check(int outcome)
    {
        if (outcome < 0)
            throw std::runtime_error(::uv_strerror(outcome));
    }

    one& at(int slot) { return children_[static_cast<std::size_t>(slot)]; }

    audience& told_;
    uv_loop_t loop_{};
    std::vector<one> children_;
};

registration const
    all({"libuv", [](int slots, audience& told) { return std::make_unique<libuv_way>(slots, told); }, true, 4000});

} // namespace
} // namespace bench
