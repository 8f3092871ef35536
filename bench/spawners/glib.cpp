// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Run this spawner only in a process of its own: GLib starts a thread that stays. In a process with several threads,
// every system call on a descriptor is slower, so the other spawners would be, too.
#include "../spawner.hpp"

#include <stdexcept>

#include <glib.h>
#include <unistd.h>

namespace bench {
namespace {

class glib_spawner final : public spawner {
public:
    glib_spawner(int slots, listener& listener)
        : listener_(listener), context_(::g_main_context_new()), children_(static_cast<std::size_t>(slots))
    {}

    ~glib_spawner() override { ::g_main_context_unref(context_); }

    void start(int slot, std::string const& program) override
    {
        auto& started = children_[static_cast<std::size_t>(slot)];
        started.owner = this;
        started.slot = slot;
        char* argv[] = {const_cast<char*>(program.c_str()), nullptr};
        GError* error = nullptr;
        // By default the child closes all other descriptors, as with brood.
        if (!::g_spawn_async(nullptr, argv, nullptr, G_SPAWN_DO_NOT_REAP_CHILD, nullptr, nullptr, &started.pid, &error))
            throw std::runtime_error(error->message);
        GSource* const watch = ::g_child_watch_source_new(started.pid);
        GChildWatchFunc const on_exit = [](GPid pid, int status, void* data) {
            ::g_spawn_close_pid(pid);
            auto const& exited = *static_cast<child_entry*>(data);
            exited.owner->listener_.on_exited(exited.slot, status == 0);
        };
        ::g_source_set_callback(watch, G_SOURCE_FUNC(on_exit), &started, nullptr);
        ::g_source_attach(watch, context_);
        ::g_source_unref(watch);
        listener_.on_started(slot);
    }

    void run_once() override { ::g_main_context_iteration(context_, true); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].pid; }

private:
    struct child_entry {
        glib_spawner* owner = nullptr;
        int slot = 0;
        GPid pid = 0;
    };

    listener& listener_;
    GMainContext* context_;
    std::vector<child_entry> children_;
};

registration const registered(
    {"GLib", [](int slots, listener& listener) { return std::make_unique<glib_spawner>(slots, listener); }, true,
     1000});

} // namespace
} // namespace bench
