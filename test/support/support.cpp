// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/support.hpp"

#include "os/cgroup.hpp"
#include "os/child_signal.hpp"
#include "os/process.hpp"
#include "os/spawn_extensions.hpp"
#include "process/background_reaper.hpp"
#include "spawn/launcher.hpp"
#include "support/deny_syscalls.hpp"
#include "support/system.hpp"
#include "watch/watch.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

namespace test {

using brood::exit_watcher;
using brood::spawn_backend;

std::ostream& operator<<(std::ostream& out, backend_config const& config)
{
    return out << config.backend << " and " << config.watcher;
}

namespace {

constexpr spawn_backend backends[] = {spawn_backend::posix_spawn, spawn_backend::vfork, spawn_backend::fork};

// Without clone3, libc creates threads and children by clone. If clone3 is forbidden, libc fails.
bool libc_clones()
{
#ifdef __GLIBC__
    auto const calls = denied_syscalls();
    return calls.find("clone3=EPERM") == calls.npos && calls.find("clone3=EINVAL") == calls.npos;
#else
    return true; // musl does not use clone3
#endif
}

// With clone3, the kernel creates the pidfd with the child.
bool has_pidfd(spawn_backend backend)
{
    return backend == spawn_backend::vfork || denied_syscalls().find("pidfd_open=EMFILE") == std::string_view::npos;
}

// Without posix_spawn_file_actions_addclosefrom_np (musl), posix_spawn supports no command that closes descriptors.
bool libc_spawns() { return libc_clones() && brood::os::find_spawn_extensions().add_close_from; }

bool works(spawn_backend backend)
{
    return brood::detail::available(backend) && (backend != spawn_backend::posix_spawn || libc_spawns());
}

} // namespace

std::vector<backend_config> all_configs()
{
    std::vector<backend_config> configs;
    for (auto backend : backends)
        for (auto watcher : {exit_watcher::pidfd, exit_watcher::sigchld})
            if (works(backend) && brood::detail::available(watcher) &&
                (watcher != exit_watcher::pidfd || has_pidfd(backend)))
                configs.push_back({backend, watcher});
    return configs;
}

std::vector<backend_config> credentials_configs()
{
    auto configs = all_configs();
    // posix_spawn(3) cannot set credentials.
    std::erase_if(configs, [](backend_config const& config) { return config.backend == spawn_backend::posix_spawn; });
    // The relay needs a memory file. Without it, only fork changes credentials.
    if (denied_syscalls().find("memfd_create") != std::string_view::npos)
        return {{spawn_backend::automatic, exit_watcher::automatic}};
    return configs;
}

std::vector<backend_config> all_backends()
{
    std::vector<backend_config> configs;
    for (auto backend : backends)
        if (works(backend))
            configs.push_back({backend, exit_watcher::automatic});
    return configs;
}

bool recalls_status()
{
    int pidfd = -1;
    pid_t const pid = system::fork_with_pidfd(5, pidfd);
    if (pid < 0)
        return false;
    ::waitpid(pid, nullptr, 0);
    return brood::os::recall_status(brood::os::unique_fd(pidfd).get()).has_value();
}

doctest::skip needs_threads() { return doctest::skip(!libc_clones()); }

// The environment is checked first, because `available` caches its answer before the system calls are refused.
doctest::skip needs_pidfd()
{
    bool const refusal = denied_syscalls().find("pidfd") != std::string_view::npos;
    return doctest::skip(refusal || !brood::detail::available(brood::exit_watcher::pidfd));
}

bool knows_linux() { return brood::os::open_cgroup("/").error() != std::errc::not_supported; }

std::string probe_path() { return std::getenv("BROOD_PROBE"); }

void run_on(asio::io_context& context, asio::awaitable<void> body)
{
    bool ended = false;
    std::exception_ptr thrown;
    asio::co_spawn(context, std::move(body), [&](std::exception_ptr failed) {
        ended = true;
        thrown = failed;
    });
    context.run_for(60s);
    if (thrown)
        std::rethrow_exception(thrown);
    REQUIRE(ended);
}

void run(asio::awaitable<void> body)
{
    asio::io_context context;
    run_on(context, std::move(body));
}

namespace {

asio::awaitable<finished> end_of(brood::child child)
{
    // Named, because g++ 12 destroys an aggregate twice whose members are awaited.
    finished end;
    end.out = co_await read_all(child.out());
    end.status = co_await child.async_wait();
    co_return end;
}

// The output of two children differs in numbers, such as their pids.
std::string without_numbers(std::string const& text)
{
    std::string rest;
    for (char c : text)
        if (c < '0' || c > '9')
            rest += c;
    return rest;
}

} // namespace

asio::awaitable<finished> output_of(brood::command cmd)
{
    cmd.out(brood::stdio::piped());
    auto const executor = co_await asio::this_coro::executor;
    finished const spawned = co_await end_of(brood::spawn(executor, cmd).value());
    finished const awaited = co_await end_of(co_await brood::async_spawn(executor, cmd));
    CHECK(spawned.status == awaited.status);
    CHECK(without_numbers(spawned.out) == without_numbers(awaited.out));
    co_return awaited;
}

std::string output_of_now(brood::command const& cmd)
{
    std::string out;
    run([](brood::command c, std::string& text) -> asio::awaitable<void> {
        finished const end = co_await output_of(std::move(c));
        CHECK(end.status.success());
        text = end.out;
    }(cmd, out));
    return out;
}

brood::error_code failure_of(brood::command const& cmd)
{
    leak_check guard;
    asio::io_context context;
    auto const child = brood::spawn(context, cmd);
    REQUIRE_FALSE(child);
    CHECK_FALSE(has_children());
    brood::error_code error;
    brood::async_spawn(context, cmd, [&](brood::error_code ec, brood::child none) {
        error = ec;
        CHECK(none.id() == 0);
    });
    context.run_for(60s);
    CHECK(error == child.error());
    CHECK(error.message() == child.error().message());
    CHECK_FALSE(has_children());
    return child.error();
}

std::string after(std::string const& text, std::string const& word)
{
    auto const at = text.find(word);
    REQUIRE(at != text.npos);
    auto const start = at + word.size() + 1;
    return text.substr(start, text.find(' ', start) - start);
}

std::vector<std::string> split(std::string_view text, char separator)
{
    std::vector<std::string> parts;
    while (!text.empty()) {
        auto const end = text.find(separator);
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return parts;
}

std::vector<int> open_descriptors()
{
    std::vector<int> open;
    for (int fd = 0; fd < 1024; ++fd)
        if (::fcntl(fd, F_GETFD) >= 0)
            open.push_back(fd);
    return open;
}

bool has_children()
{
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

char process_state(pid_t pid)
{
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    auto const name_end = text.rfind(')');
    return name_end == text.npos ? '\0' : text[name_end + 2];
}

namespace {

std::string blocked_signals()
{
    sigset_t set;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &set);
    std::string blocked;
    for (int signal = 1; signal < 65; ++signal)
        if (sigismember(&set, signal) == 1)
            blocked += std::to_string(signal) + " ";
    return blocked;
}

} // namespace

bool is_alive(pid_t pid)
{
    char const state = process_state(pid);
    return state != '\0' && state != 'Z' && state != 'X';
}

bool exists(pid_t pid) { return process_state(pid) != '\0'; }

// Opens the descriptors that the library keeps until the process ends: the cgroup of contained children, self-pipes and
// the background loop.
void open_permanent_descriptors()
{
    std::vector<brood::os::child_signal_pipe_ptr> pipes;
    for (int i = 0; i < 8; ++i)
        pipes.push_back(brood::os::borrow_child_signal_pipe().value());
    pipes.clear();
    {
        asio::io_context context;
        if (auto contained = brood::spawn(context, brood::command(probe_path(), "exit", "0").contained()))
            (void)contained.value().wait();
    }
    if (!libc_clones())
        return; // the background loop has no thread
    pid_t pid;
    {
        asio::io_context context;
        auto child = brood::spawn(context, brood::command(probe_path(), "pause")).value();
        pid = child.id();
        child.detach();
    }
    ::kill(pid, SIGKILL); // a child that ends before `detach` would not start the background loop
    REQUIRE(eventually([&] { return !exists(pid); }));
}

// The epoll in which the background loop watches descriptors stays open. Without pidfds, the loop creates it for the
// first contained child whose cgroup is not empty at once.
bool is_late_epoll(std::vector<int> const& before, std::vector<int> const& after)
{
    static bool is_expected = !brood::os::pidfd_available();
    std::vector<int> added;
    std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(added));
    if (!is_expected || added.size() != 1 || after.size() != before.size() + 1)
        return false;
    std::error_code error;
    auto const link = "/proc/self/fd/" + std::to_string(added.front());
    bool const is_epoll = std::filesystem::read_symlink(link, error) == "anon_inode:[eventpoll]";
    is_expected = !is_epoll;
    return is_epoll;
}

leak_check::leak_check()
{
    [[maybe_unused]] static bool const once = (open_permanent_descriptors(), true);
    // The background loop closes what it has watched before it ends.
    REQUIRE(eventually([] { return !brood::detail::is_reaping_in_background(); }));
    descriptors_ = open_descriptors();
    signals_ = blocked_signals();
}

leak_check::~leak_check()
{
    // A background thread closes what it has watched shortly after the end, which others may have seen.
    CHECK(eventually([&] {
        auto const open = open_descriptors();
        return open == descriptors_ || is_late_epoll(descriptors_, open);
    }));
    CHECK(blocked_signals() == signals_);
}

scratch_folder::scratch_folder()
{
    std::string name = std::filesystem::temp_directory_path() / "brood-test-XXXXXX";
    REQUIRE(::mkdtemp(name.data()));
    path_ = std::filesystem::canonical(name);
}

scratch_folder::~scratch_folder()
{
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::string scratch_folder::write(std::string_view name, std::string_view content, unsigned mode) const
{
    std::ofstream(path(name), std::ios::binary) << content;
    ::chmod(path(name).c_str(), static_cast<mode_t>(mode));
    return path(name);
}

std::string scratch_folder::read(std::string_view name) const
{
    std::ostringstream text;
    text << std::ifstream(path(name), std::ios::binary).rdbuf();
    return text.str();
}

} // namespace test
