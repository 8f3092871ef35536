// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/deny_syscalls.hpp"
#include "support/ordinary_user.hpp"
#include "support/support.hpp"
#include "support/system.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

constexpr uid_t other_user = 1234;
constexpr gid_t other_group = 2345;

bool is_root()
{
    if (::geteuid() != 0)
        MESSAGE("skipped: needs root");
    return ::geteuid() == 0;
}

// Runs a function in a child of this process and returns its result. The function may drop privileges.
template <class Function>
int in_child_process(Function function)
{
    pid_t const pid = ::fork();
    if (pid == 0)
        ::_exit(function());
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// A line of /proc/self/status.
std::string own_status(std::string const& key)
{
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(key + ":\t"))
            return line.substr(key.size() + 2);
    return {};
}

} // namespace

TEST_SUITE_BEGIN("credentials");

TEST_CASE("credentials: the child has the user, the group and the groups of its command")
{
    if (!is_root())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        auto const all_ids =
            output_of_now(folder.probe(config, "ids").user(other_user).group(other_group).groups({77, 88}));
        CHECK(after(all_ids, " uid") == "1234");
        CHECK(after(all_ids, " gid") == "2345");
        CHECK(all_ids.substr(all_ids.find("groups")) == "groups 77 88");
        auto const user_only = output_of_now(folder.probe(config, "ids").user(other_user));
        CHECK(after(user_only, " uid") == "1234");
        CHECK(user_only.substr(user_only.find("groups")) == "groups");
        auto const group_only = output_of_now(folder.probe(config, "ids").group(other_group));
        CHECK(after(group_only, " uid") == "0");
        CHECK(after(group_only, " gid") == "2345");
        auto const no_groups = output_of_now(folder.probe(config, "ids").groups({}));
        CHECK(no_groups.substr(no_groups.find("groups")) == "groups");
        auto const user_ids = output_of_now(folder.probe(config, "status", "Uid").user(other_user));
        CHECK(user_ids == "1234\t1234\t1234\t1234");
        std::vector<gid_t> many(1000);
        for (gid_t i = 0; i < many.size(); ++i)
            many[i] = 10 + i;
        auto const group_ids = output_of_now(folder.probe(config, "status", "Groups").groups(many));
        CHECK(group_ids.ends_with(" 1008 1009 "));
    });
}

TEST_CASE("credentials: other options of the command still apply")
{
    if (!is_root())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        auto const as_user = [&](auto const&... args) {
            return folder.probe(config, args...).user(other_user).group(other_group);
        };
        CHECK(output_of_now(as_user("directory").current_dir("/usr")) == "/usr");
        CHECK(output_of_now(as_user("name").arg0("other")) == "other");
        CHECK(output_of_now(as_user("umask").umask(0123)) == std::to_string(0123));
        CHECK(output_of_now(as_user("environment").env_clear().env("A", "b")) == std::string("A=b\0", 4));
        if (knows_linux()) {
            CHECK(output_of_now(as_user("status", "NoNewPrivs").no_new_privileges()) == "1");
            CHECK(output_of_now(as_user("death-signal").parent_death_signal(SIGUSR2)) == std::to_string(SIGUSR2));
        }
        CHECK(output_of_now(as_user("status", "SigBlk").signal_mask({SIGUSR1})) == "0000000000000200");
        auto const session = output_of_now(as_user("ids").session());
        CHECK(after(session, " sid") == session.substr(0, session.find(' ')));
        CHECK(output_of_now(as_user("descriptors")) == output_of_now(folder.probe(config, "descriptors")));
        command by_name("probe", "ids");
        by_name.env("PATH", "/nowhere:" + folder.path())
            .user(other_user)
            .backend(config.backend)
            .watcher(config.watcher);
        CHECK(after(output_of_now(by_name), " uid") == "1234");
    });
}

TEST_CASE("credentials: the child inherits the signal mask")
{
    if (!is_root())
        return;
    public_folder const folder;
    sigset_t usr2, before;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    REQUIRE(::pthread_sigmask(SIG_SETMASK, &usr2, &before) == 0);
    for_each(credentials_configs(), [&](backend_config const& config) -> asio::awaitable<void> {
        auto const ex = co_await asio::this_coro::executor;
        auto const cmd = folder.probe(config, "status", "SigBlk").user(other_user).out(stdio::piped());
        auto spawned = spawn(ex, cmd).value();
        CHECK(std::stoull(co_await read_all(spawned.out()), nullptr, 16) == 1ULL << (SIGUSR2 - 1));
        co_await spawned.async_wait();
        auto awaited = co_await async_spawn(ex, cmd);
        CHECK(std::stoull(co_await read_all(awaited.out()), nullptr, 16) == 1ULL << (SIGUSR2 - 1));
        co_await awaited.async_wait();
    });
    REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

TEST_CASE("credentials: limits are set before the child loses its privileges")
{
    if (!is_root())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        asio::io_context context;
        auto const raised = [&] { return folder.probe(config, "nice").nice(-1); };
        if (!spawn(context, raised().out(stdio::null()))) {
            MESSAGE("skipped: root may not raise its priority");
            return;
        }
        auto const expected = std::max(::getpriority(PRIO_PROCESS, 0) - 1, -20);
        CHECK(output_of_now(raised().user(other_user)) == std::to_string(expected));
    });
}

TEST_CASE("credentials: an unprivileged process may become its own real or saved user")
{
    if (!is_root())
        return;
    public_folder const folder;
    for (uid_t wanted : {other_user, other_user + 1})
        for (auto const& config : credentials_configs()) {
            CAPTURE(config);
            CAPTURE(wanted);
            CHECK(in_child_process([&] {
                      if (!system::set_users(other_user, other_user + 1, other_user + 1))
                          return 1;
                      asio::io_context context;
                      auto cmd = folder.probe(config, "ids").user(wanted).out(stdio::piped());
                      auto child = spawn(context, cmd);
                      if (!child)
                          return 2;
                      std::string text(200, ' ');
                      error_code ec;
                      text.resize(asio::read(child.value().out(), asio::buffer(text), ec));
                      return after(text, " uid") == std::to_string(wanted) ? 0 : 3;
                  }) == 0);
        }
}

TEST_CASE("credentials: the real, the effective and the saved ids are set, or the start fails")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    struct ids {
        uid_t real, effective, saved;
    };
    for (ids const before :
         {ids{0, other_user, 0}, ids{0, other_user + 1, other_user}, ids{0, other_user, other_user + 1},
          ids{other_user, 0, 0}, ids{other_user + 1, other_user + 2, other_user}}) {
        auto const real = before.real, effective = before.effective, saved = before.saved;
        CAPTURE(real);
        CAPTURE(effective);
        for_each(credentials_configs(), [&](backend_config const& config) {
            int const code = in_child_process([&] {
                auto const group = static_cast<gid_t>(other_user);
                if (!system::set_groups(real, effective, saved) || !system::set_users(real, effective, saved))
                    return 10;
                auto const changed = [&](std::string const& key) {
                    return output_of_now(folder.probe(config, "status", key).user(other_user).group(group));
                };
                bool const loses_saved = config.backend == spawn_backend::vfork && real != other_user &&
                                         effective != other_user && saved == other_user; // by its own exec
                if (loses_saved) {
                    asio::io_context context;
                    auto const child = spawn(context, folder.probe(config, "exit", "0").user(other_user));
                    return child.error() == make_error_code(spawn_stage::credentials, EPERM) ? 0 : 13;
                }
                std::string const id = std::to_string(other_user);
                auto const all = id + "\t" + id + "\t" + id + "\t" + id;
                if (changed("Uid") != all || changed("Gid") != all)
                    return 11;
                return changed("CapPrm") == "0000000000000000" ? 0 : 12;
            });
            CHECK(code == 0);
        });
    }
}

TEST_CASE("credentials: a process with the privilege drops the groups even to become its own user")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        int const code = in_child_process([&] {
            gid_t const groups[] = {77, 88};
            if (::setgroups(2, groups) < 0 || !system::become_capable_user(other_user + 1) ||
                !system::set_users(other_user, other_user + 1, other_user + 1))
                return 10;
            auto const cmd = folder.probe(config, "status", "Groups").user(other_user);
            if (config.backend == spawn_backend::vfork) { // its exec drops the capability
                asio::io_context context;
                return spawn(context, cmd).error() == make_error_code(spawn_stage::credentials, EPERM) ? 0 : 11;
            }
            return output_of_now(cmd).find_first_not_of(' ') == std::string::npos ? 0 : 12;
        });
        CHECK(code == 0);
    });
}

TEST_CASE("credentials: a limit of file sizes does not end this process")
{
    if (!is_root())
        return;
    public_folder const folder;
    for (auto backend : {spawn_backend::automatic, spawn_backend::fork}) {
        CAPTURE(static_cast<int>(backend));
        int const code = in_child_process([&] {
            rlimit const none{0, 0}; // for the relay's memory file, too
            ::setrlimit(RLIMIT_FSIZE, &none);
            asio::io_context context;
            auto child = spawn(context, command(folder.program(), "exit", "7").user(other_user).backend(backend));
            return child && child.value().wait().value().code() == 7 ? 0 : 10;
        });
        CHECK(code == 0);
    }
}

TEST_CASE("credentials: user keeps the groups of the effective user, and drops them for another one")
{
    if (!is_root())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        auto const own = output_of_now(folder.probe(config, "status", "Groups").user(::geteuid()));
        CHECK(own == output_of_now(folder.probe(config, "status", "Groups")));
        auto const others = output_of_now(folder.probe(config, "status", "Groups").user(other_user));
        CHECK(others.find_first_not_of(' ') == others.npos);
    });
}

// The relay is a program, too: names below /proc/self must not refer to it.
TEST_CASE("credentials: /proc/self/exe and its relatives are the caller's program")
{
    if (!is_root())
        return;
    public_folder const folder;
    int const program = ::open(folder.program().c_str(), O_RDONLY | O_CLOEXEC);
    std::filesystem::create_symlink("/proc/self/exe", folder.path("link"));
    for (auto const& path :
         {"/proc/self/fd/" + std::to_string(program), "/dev/fd/" + std::to_string(program),
          "/proc/thread-self/fd/" + std::to_string(program)}) {
        CAPTURE(path);
        for (auto backend : {spawn_backend::automatic, spawn_backend::fork}) {
            command cmd(path, "ids");
            CHECK(after(output_of_now(cmd.user(other_user).backend(backend)), " uid") == "1234");
        }
    }
    auto const own_program = std::filesystem::read_symlink("/proc/self/exe").string();
    for (auto const& row : std::vector<std::pair<std::string, std::string>>{
             {"/", "/proc/self/exe"}, {"/", "proc/self/exe"}, {"/proc/self", "./exe"}, {folder.path(), "./link"}}) {
        CAPTURE(row.second);
        command cmd(row.second, "--version");
        auto const out = output_of_now(cmd.current_dir(row.first).user(0).groups({}).env("BROOD_PROBE", own_program));
        CHECK(out.find("doctest") != out.npos);
    }
    ::close(program);
}

TEST_CASE("credentials: a descriptor can be mapped to any number")
{
    if (!is_root())
        return;
    public_folder const folder;
    folder.write("a", "x", 0644);
    for_each(credentials_configs(), [&](backend_config const& config) {
        auto cmd = folder.probe(config, "descriptors").user(other_user);
        std::string expected = "0 1 2 ";
        for (int fd = 3; fd < 24; ++fd) {
            cmd.fd(fd, stdio::file(folder.path("a"), open_mode::read));
            expected += std::to_string(fd) + " ";
        }
        auto const open = output_of_now(cmd);
        CHECK(open + (open.ends_with(' ') ? "" : " ") == expected);
    });
}

TEST_CASE("credentials: a later failure has its stage and leaves no child")
{
    if (!is_root())
        return;
    public_folder const folder;
    auto const locked = folder.path("locked");
    std::filesystem::create_directory(locked);
    ::chmod(locked.c_str(), 0700);
    folder.write("script", "#!/nowhere\n", 0755);
    for_each(credentials_configs(), [&](backend_config const& config) {
        auto const command_as_user = [&](std::string const& program) {
            return command(program).user(other_user).backend(config.backend).watcher(config.watcher);
        };
        auto const missing = failure_of(command_as_user("/nowhere"));
        CHECK(missing == std::errc::no_such_file_or_directory);
        CHECK(stage_of(missing) == spawn_stage::exec);
        auto const denied = failure_of(command_as_user(folder.path("locked/program")));
        CHECK(denied == std::errc::permission_denied);
        CHECK(stage_of(denied) == spawn_stage::exec);
        auto const directory = failure_of(command_as_user("/bin/true").current_dir(locked));
        CHECK(directory == std::errc::permission_denied);
        CHECK(stage_of(directory) == spawn_stage::directory);
        auto const script = failure_of(command_as_user(folder.path("script")));
        CHECK(script == std::errc::no_such_file_or_directory);
        auto const long_list = failure_of(command_as_user("/bin/true").arg(std::string(1 << 20, 'x')));
        CHECK(long_list == std::errc::argument_list_too_long);
        CHECK(stage_of(long_list) == spawn_stage::exec);
        auto const group = failure_of(command_as_user("/bin/true").group(static_cast<gid_t>(-1)));
        CHECK(group == std::errc::invalid_argument);
        CHECK(stage_of(group) == spawn_stage::credentials);
    });
}

TEST_CASE("credentials: the parent stays dumpable")
{
    if (!is_root())
        return;
    public_folder const folder;
    bool const before = system::is_dumpable();
    for_each(credentials_configs(), [&](backend_config const& config) {
        (void)output_of_now(folder.probe(config, "ids").user(other_user));
        CHECK(system::is_dumpable() == before);
    });
}

TEST_CASE("credentials: an ordinary user can set its own ids only")
{
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        int const code = in_child_process([&] {
            if (::geteuid() == 0 && !system::become_user(other_user, false))
                return 10;
            asio::io_context context;
            if (!spawn(context, folder.probe(config, "exit", "0").user(::getuid()).group(::getgid())))
                return 14;
            auto const child = spawn(context, folder.probe(config, "ids").user(::getuid() + 1));
            if (child)
                return 11;
            if (child.error() != std::errc::operation_not_permitted)
                return 12;
            return stage_of(child.error()) == spawn_stage::credentials ? 0 : 13;
        });
        CHECK(code == 0);
    });
}

TEST_CASE("credentials: a capability that an exec drops is sufficient")
{
    if (!is_root())
        return;
    public_folder const folder;
    int const code = in_child_process([&] {
        if (!system::become_capable_user(other_user))
            return 10;
        asio::io_context context;
        command cmd(folder.path("probe"), "exit", "7");
        auto child = spawn(context, cmd.user(other_user + 1).groups({}));
        if (!child)
            return 11;
        auto const status = child.value().wait();
        return status && status.value().code() == 7 ? 0 : 12;
    });
    CHECK(code == 0);
}

TEST_CASE("credentials: the child of a capable user does not inherit its groups")
{
    if (!is_root())
        return;
    int const code = in_child_process([&] {
        gid_t const groups[] = {77, 88};
        if (::setgroups(2, groups) < 0 || !system::become_capable_user(other_user))
            return 10;
        asio::io_context context;
        command cmd("/bin/sh", "-c", "test \"$(id -G)\" = \"$(id -g)\"");
        auto child = spawn(context, cmd.user(other_user + 1));
        if (!child)
            return 11;
        auto const status = child.value().wait();
        return status && status.value().code() == 0 ? 0 : 12;
    });
    CHECK(code == 0);
}

TEST_CASE("credentials: ambient capabilities end with the change of the user")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        for (std::string const set : {"CapAmb", "CapEff"}) {
            CAPTURE(set);
            int const code = in_child_process([&] {
                if (!system::become_capable_user(other_user) || !system::raise_ambient_capabilities())
                    return 10;
                auto const kept = output_of_now(folder.probe(config, "status", set));
                if (kept != "00000000000000c0")
                    return 11;
                auto const left = output_of_now(folder.probe(config, "status", set).user(other_user + 1));
                return left == "0000000000000000" ? 0 : 12;
            });
            CHECK(code == 0);
        }
    });
}

TEST_CASE("credentials: exec with another user ends the ambient capabilities")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    for (bool const keep : {false, true}) {
        CAPTURE(keep);
        std::string const expected = keep ? "0000000000000080" : "0000000000000000";
        int const code = in_child_process([&] {
            if (!system::become_capable_user(other_user) || !system::raise_ambient_capabilities())
                return 10;
            command cmd(
                "/bin/sh", "-c", "test \"$(sed -n 's/CapAmb:[[:space:]]*//p' /proc/self/status)\" = " + expected);
            cmd.user(other_user + 1);
            if (keep)
                cmd.ambient_capabilities({7});
            (void)exec(cmd);
            return 11;
        });
        CHECK(code == 0);
    }
}

TEST_CASE("credentials: ambient capabilities that the command names are kept, and no others")
{
    if (!is_root() || !knows_linux())
        return;
    constexpr int cap_setgid = 6, cap_setuid = 7, cap_audit_read = 37;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        for (std::string const set : {"CapAmb", "CapEff", "CapPrm"}) {
            CAPTURE(set);
            auto const status = [&] { return folder.probe(config, "status", set); };
            auto const of_user = output_of_now(status().user(other_user).ambient_capabilities({10, cap_audit_read}));
            CHECK(of_user == "0000002000000400");
            int const code = in_child_process([&] {
                if (!system::become_capable_user(other_user))
                    return 10;
                auto const of_same = output_of_now(status().ambient_capabilities({cap_setgid}));
                if (!system::raise_ambient_capabilities()) // the relay needs them to change the user
                    return 11;
                auto const of_other = output_of_now(status().user(other_user + 1).ambient_capabilities({cap_setuid}));
                return of_same == "0000000000000040" && of_other == "0000000000000080" ? 0 : 12;
            });
            CHECK(code == 0);
        }
    });
}

TEST_CASE("credentials: an ambient capability that the parent lacks, or that does not exist, is an error")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        int const code = in_child_process([&] {
            if (!system::become_capable_user(other_user))
                return 10;
            asio::io_context context;
            auto const lacking = spawn(context, folder.probe(config, "exit", "0").ambient_capabilities({10}));
            auto const missing = spawn(context, folder.probe(config, "exit", "0").ambient_capabilities({63}));
            if (lacking || lacking.error() != std::errc::operation_not_permitted)
                return 11;
            if (missing || missing.error() != std::errc::invalid_argument)
                return 12;
            bool const same_stage = stage_of(lacking.error()) == spawn_stage::credentials &&
                                    stage_of(missing.error()) == spawn_stage::credentials;
            return same_stage && !has_children() ? 0 : 13;
        });
        CHECK(code == 0);
    });
}

TEST_CASE("credentials: root cannot give an ambient capability that it has dropped")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        int const code = in_child_process([&] {
            if (!system::drop_capability(10))
                return 10;
            asio::io_context context;
            auto const child =
                spawn(context, folder.probe(config, "exit", "0").user(other_user).ambient_capabilities({10}));
            return !child && child.error() == make_error_code(spawn_stage::credentials, EPERM) ? 0 : 11;
        });
        CHECK(code == 0);
    });
}

TEST_CASE("credentials: an exec that fails leaves no capabilities to a later program")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    auto const text = folder.write("text", "text", 0755);
    int const changed = in_child_process([&] {
        if (exec(command(text).user(other_user).ambient_capabilities({10})) != std::errc::executable_format_error)
            return 10;
        for (auto const* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
            if (own_status(set) != "0000000000000000")
                return 11;
        return system::keeps_capabilities() ? 12 : 0;
    });
    CHECK(changed == 0);
    int const kept = in_child_process([&] {
        if (!system::become_capable_user(other_user))
            return 10;
        auto const before = own_status("CapInh") + own_status("CapPrm") + own_status("CapEff") + own_status("CapAmb");
        if (exec(command(text).ambient_capabilities({7})) != std::errc::executable_format_error)
            return 11;
        auto const after = own_status("CapInh") + own_status("CapPrm") + own_status("CapEff") + own_status("CapAmb");
        return before == after ? 0 : 12;
    });
    CHECK(kept == 0);
    int const ambient = in_child_process([&] {
        if (!system::become_capable_user(other_user) || !system::raise_ambient_capabilities())
            return 10;
        if (exec(command(text).user(other_user + 1)) != std::errc::executable_format_error)
            return 11;
        return own_status("CapAmb") == "00000000000000c0" ? 0 : 12;
    });
    CHECK(ambient == 0);
    int const early = in_child_process([&] {
        auto cmd = command(text).user(other_user).groups(std::vector<gid_t>(70'000)).ambient_capabilities({10});
        return exec(cmd) == std::errc::invalid_argument && !system::keeps_capabilities() ? 0 : 10;
    });
    CHECK(early == 0);
}

TEST_CASE("credentials: root and other users have no capability outside the bounding set")
{
    if (!is_root() || !knows_linux())
        return;
    constexpr int net_bind = 10, net_raw = 13;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        for (std::string const set : {"CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb"}) {
            CAPTURE(set);
            auto const status = [&] { return folder.probe(config, "status", set); };
            bool const is_inherited = set == "CapInh" || set == "CapAmb";
            std::string const none = "0000000000000000", one = "0000000000000400";
            int const code = in_child_process([&] {
                if (!system::make_inheritable(net_bind) || !system::make_inheritable(net_raw))
                    return 9;
                auto const of_root = output_of_now(status().bounding_capabilities(net_bind));
                if (of_root != (set == "CapAmb" ? none : one))
                    return 10;
                if (output_of_now(status().bounding_capabilities()) != none)
                    return 11;
                auto const of_user = output_of_now(status().user(other_user).bounding_capabilities(net_bind));
                if (of_user != (set == "CapBnd" || set == "CapInh" ? one : none))
                    return 12;
                auto const ambient = output_of_now(
                    status().user(other_user).bounding_capabilities(net_bind).ambient_capabilities(net_bind));
                return ambient == one ? 0 : is_inherited ? 13 : 14;
            });
            CHECK(code == 0);
        }
    });
}

TEST_CASE("credentials: only a privileged process can limit the bounding set")
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        int const code = in_child_process([&] {
            if (!system::become_user(other_user, false))
                return 10;
            asio::io_context context;
            auto const child = spawn(context, folder.probe(config, "exit", "0").bounding_capabilities(10));
            if (child || child.error() != make_error_code(spawn_stage::credentials, EPERM))
                return 11;
            return has_children() ? 12 : 0;
        });
        CHECK(code == 0);
    });
}

TEST_CASE("credentials: exec limits the bounding set of this process")
{
    if (!is_root() || !knows_linux())
        return;
    int const code = in_child_process([&] {
        command cmd("/bin/sh", "-c", "grep -q '^CapBnd:[[:space:]]*0000000000000400$' /proc/self/status");
        (void)exec(cmd.bounding_capabilities(10));
        return 11;
    });
    CHECK(code == 0);
}

TEST_CASE(
    "credentials: the program is not executed if ambient capabilities cannot be cleared" *
    doctest::skip(!can_deny_syscalls()))
{
    if (!is_root() || !knows_linux())
        return;
    public_folder const folder;
    for_each(credentials_configs(), [&](backend_config const& config) {
        int const code = in_child_process([&] {
            deny_syscalls("prctl=EPERM");
            asio::io_context context;
            auto const child = spawn(context, folder.probe(config, "exit", "0").user(other_user));
            if (child || child.error() != std::errc::operation_not_permitted)
                return 10;
            return stage_of(child.error()) == spawn_stage::credentials && !has_children() ? 0 : 11;
        });
        CHECK(code == 0);
    });
}

TEST_SUITE_END();
