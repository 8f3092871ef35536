// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// Compare it in a process of its own: GLib starts a thread that stays, which makes each system call on a descriptor
// dearer for all others.
#include "../way.hpp"

#include <stdexcept>

#include <glib.h>
#include <unistd.h>

namespace bench {
namespace {

class glib_way final : public way {
public:
    glib_way(int slots, audience& told)
        : told_(told), context_(::g_main_context_new()), children_(static_cast<std::size_t>(slots))
    {}

    ~glib_way() override { ::g_main_context_unref(context_); }

    void start(int slot, std::string const& program) override
    {
        auto& started = children_[static_cast<std::size_t>(slot)];
        started.owner = this;
        started.slot = slot;
        char* argv[] = {const_cast<char*>(program.c_str()), nullptr};
        GError* failed = nullptr;
        // The default closes all other descriptors in the child, as brood does.
        if (!::g_spawn_async(
                nullptr, argv, nullptr, G_SPAWN_DO_NOT_REAP_CHILD, nullptr, nullptr, &started.pid, &failed))
            throw std::runtime_error(failed->message);
        GSource* const watch = ::g_child_watch_source_new(started.pid);
        GChildWatchFunc const ended = [](GPid pid, int status, void* data) {
            ::g_spawn_close_pid(pid);
            auto const& child = *static_cast<one*>(data);
            child.owner->told_.ended(child.slot, status == 0);
        };
        ::g_source_set_callback(watch, G_SOURCE_FUNC(ended), &started, nullptr);
        ::g_source_attach(watch, context_);
        ::g_source_unref(watch);
        told_.started(slot);
    }

    void turn() override { ::g_main_context_iteration(context_, true); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].pid; }

private:
    struct one {
        glib_way* owner = nullptr;
        int slot = 0;
        GPid pid = 0;
    };

    audience& told_;
    GMainContext* context_;
    std::vector<one> children_;
};

registration const
    all({"GLib", [](int slots, audience& told) { return std::make_unique<glib_way>(slots, told); }, true, 1000});

} // namespace
} // namespace bench
