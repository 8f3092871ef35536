// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "../spawner.hpp"

#include <brood/run.hpp>
#include <brood/spawn.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <fstream>
#include <sstream>
#include <string>

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

namespace bench {
namespace {

namespace asio = boost::asio;
using brood::exit_watcher;
using brood::spawn_backend;

void set_nothing(brood::command&) {}

void set_user(brood::command& cmd) { cmd.user(::getuid()); }

// One option of each kind. Options that require the fork backend or the relay are left out.
void set_options(brood::command& cmd)
{
    cmd.in(brood::stdio::null()).out(brood::stdio::null()).current_dir("/").env("BENCH", "yes");
    cmd.session().umask(022).limit(RLIMIT_CORE, 0, 0).nice(0).signal_mask({}).reset_signals();
}

void set_contained(brood::command& cmd) { cmd.contained(); }

// The directory of this process's cgroup v2. Empty if there is none.
std::string own_cgroup()
{
    std::string line, path, mount;
    for (std::ifstream file("/proc/self/cgroup"); std::getline(file, line);)
        if (line.starts_with("0::/"))
            path = line.substr(3);
    for (std::ifstream file("/proc/self/mountinfo"); std::getline(file, line);)
        if (line.find(" - cgroup2 ") != line.npos)
            std::istringstream(line) >> mount >> mount >> mount >> mount >> mount;
    return mount.empty() ? "" : mount + path;
}

// A command that names a cgroup is contained by a guard. It names that of this process.
void set_guarded(brood::command& cmd)
{
    static std::string const cgroup = own_cgroup();
    if (!cgroup.empty())
        cmd.cgroup(cgroup);
    cmd.contained();
}

enum class function { spawn, async_spawn, async_run };

struct configuration {
    char const* name;
    spawn_backend backend = spawn_backend::automatic;
    exit_watcher watcher = exit_watcher::automatic;
    function started_by = function::spawn;
    void (*set)(brood::command&) = set_nothing;
};

constexpr configuration configurations[] = {
    {.name = "brood"},
    {.name = "brood async_spawn", .started_by = function::async_spawn},
    {.name = "brood async_run", .started_by = function::async_run},
    {.name = "brood vfork", .backend = spawn_backend::vfork},
    {.name = "brood posix_spawn", .backend = spawn_backend::posix_spawn},
    {.name = "brood fork", .backend = spawn_backend::fork},
    {.name = "brood sigchld", .watcher = exit_watcher::sigchld},
    {.name = "brood with options", .set = set_options},
    {.name = "brood with user", .set = set_user},
    {.name = "brood contained", .set = set_contained},
    {.name = "brood guarded", .set = set_guarded},
};

class brood_spawner final : public spawner {
public:
    brood_spawner(configuration const& config, int slots, listener& listener) : config_(config), listener_(listener)
    {
        children_.reserve(static_cast<std::size_t>(slots));
        for (int i = 0; i < slots; ++i)
            children_.emplace_back(context_.get_executor());
    }

    ~brood_spawner() override
    {
        if (config_.watcher == exit_watcher::sigchld)
            ::signal(SIGCHLD, SIG_DFL); // brood's handler stays installed and would interrupt the other spawners
    }

    void start(int slot, std::string const& program) override
    {
        brood::command cmd(program);
        cmd.backend(config_.backend).watcher(config_.watcher);
        config_.set(cmd);
        switch (config_.started_by) {
        case function::spawn: return add(slot, brood::spawn(context_, cmd).value());
        case function::async_spawn:
            return brood::async_spawn(context_, std::move(cmd), [this, slot](brood::error_code ec, brood::child child) {
                if (ec.failed())
                    listener_.on_exited(slot, false);
                else
                    add(slot, std::move(child));
            });
        case function::async_run:
            brood::async_run(context_, std::move(cmd), [this, slot](brood::error_code ec, brood::exit_status status) {
                listener_.on_exited(slot, !ec.failed() && status.success());
            });
            return listener_.on_started(slot); // async_run does not report when the program runs
        }
    }

    void run_once() override { context_.run_one(); }

    pid_t pid(int slot) const override { return children_[static_cast<std::size_t>(slot)].id(); }

private:
    void add(int slot, brood::child started)
    {
        auto& child = children_[static_cast<std::size_t>(slot)];
        child = std::move(started);
        child.async_wait([this, slot](brood::error_code ec, brood::exit_status status) {
            listener_.on_exited(slot, !ec.failed() && status.success());
        });
        listener_.on_started(slot);
    }

    configuration config_;
    listener& listener_;
    asio::io_context context_;
    asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
    std::vector<brood::child> children_;
};

spawner_kind kind_of(configuration const& config)
{
    spawner_kind kind{config.name, [config](int slots, listener& listener) {
                          return std::make_unique<brood_spawner>(config, slots, listener);
                      }};
    kind.copies_page_tables = config.backend == spawn_backend::fork;
    return kind;
}

[[maybe_unused]] bool const registered = [] {
    for (auto const& config : configurations)
        registration(kind_of(config));
    return true;
}();

} // namespace
} // namespace bench
