// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "../way.hpp"

#include <brood/spawn.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

namespace bench {
namespace {

namespace asio = boost::asio;
using brood::exit_reaper;
using brood::spawn_backend;

void set_nothing(brood::command&) {}

void set_user(brood::command& cmd) { cmd.user(::getuid()); } // if only as the same one

// One of each kind, but for those that make a copy of the parent or need another program first.
void set_many(brood::command& cmd)
{
    cmd.in(brood::stdio::null()).out(brood::stdio::null()).current_dir("/").env("BENCH", "yes");
    cmd.session().umask(022).limit(RLIMIT_CORE, 0, 0).nice(0).signal_mask({}).reset_signals();
}

struct choice {
    char const* name;
    spawn_backend backend = spawn_backend::automatic;
    exit_reaper reaper = exit_reaper::automatic;
    bool asynchronous = false;
    void (*set)(brood::command&) = set_nothing;
};

constexpr choice choices[] = {
    {.name = "brood"},
    {.name = "brood async_spawn", .asynchronous = true},
    {.name = "brood vfork", .backend = spawn_backend::vfork},
    {.name = "brood posix_spawn", .backend = spawn_backend::posix_spawn},
    {.name = "brood fork", .backend = spawn_backend::fork},
    {.name = "brood sigchld", .reaper = exit_reaper::sigchld},
    {.name = "brood with options", .set = set_many},
    {.name = "brood with user", .set = set_user},
};

class brood_way final : public way {
public:
    brood_way(choice const& how, int slots, audience& told) : how_(how), told_(told)
    {
        children_.reserve(static_cast<std::size_t>(slots));
        for (int i = 0; i < slots; ++i)
            children_.emplace_back(context_.get_executor());
    }

    ~brood_way() override
    {
        if (how_.reaper == exit_reaper::sigchld)
            ::signal(SIGCHLD, SIG_DFL); // the handler stays, and would interrupt the others
    }

    void start(int slot, std::string const& program) override
    {
        brood::command cmd(program);
        cmd.backend(how_.backend).reaper(how_.reaper);
        how_.set(cmd);
        if (!how_.asynchronous)
            return await(slot, brood::spawn(context_, cmd).value());
        brood::async_spawn(context_, std::move(cmd), [this, slot](brood::error_code ec, brood::child started) {
            if (ec.failed())
                told_.ended(slot, false);
            else
                await(slot, std::move(started));
        });
    }

    void turn() override { context_.run_one(); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].id(); }

private:
    void await(int slot, brood::child started)
    {
        auto& child = children_[static_cast<std::size_t>(slot)];
        child = std::move(started);
        child.async_wait([this, slot](brood::error_code ec, brood::exit_status status) {
            told_.ended(slot, !ec.failed() && status.success());
        });
        told_.started(slot);
    }

    choice how_;
    audience& told_;
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> guard_{context_.get_executor()};
    std::vector<brood::child> children_;
};

kind kind_of(choice const& how)
{
    kind one{how.name, [how](int slots, audience& told) { return std::make_unique<brood_way>(how, slots, told); }};
    one.copies_page_tables = how.backend == spawn_backend::fork;
    return one;
}

[[maybe_unused]] bool const registered = [] {
    for (auto const& how : choices)
        registration(kind_of(how));
    return true;
}();

} // namespace
} // namespace bench
