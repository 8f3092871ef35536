// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/ordinary_user.hpp"
#include "support/refuse.hpp"
#include "support/support.hpp"

#include <cerrno>

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace brood;
using namespace test;

namespace {

constexpr uid_t somebody = 1234;
constexpr gid_t some_group = 2345;

bool is_root()
{
    if (::geteuid() != 0)
        MESSAGE("skipped: needs root");
    return ::geteuid() == 0;
}

// posix_spawn has no words for credentials.
std::vector<way> able_ways()
{
    auto ways = all_ways();
    std::erase_if(ways, [](way const& w) { return w.backend == spawn_backend::posix_spawn; });
    // Without a memory file there is no relay, and only a fork is left.
    if (refused().find("memfd_create") != std::string_view::npos)
        return {{spawn_backend::automatic, exit_reaper::automatic}};
    return ways;
}

// What a function tells that runs in a child of this process, which may give privileges up.
template <class Function>
int in_another_process(Function function)
{
    pid_t const pid = ::fork();
    if (pid == 0)
        ::_exit(function());
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Keeps the privilege to change ids, and nothing else, as file capabilities would give it.
bool become_capable_user()
{
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    unsigned const both = 1U << CAP_SETUID | 1U << CAP_SETGID;
    __user_cap_data_struct data[2] = {{both, both, 0}, {0, 0, 0}};
    return ::prctl(PR_SET_KEEPCAPS, 1) == 0 && ::setresuid(somebody, somebody, somebody) == 0 &&
           ::syscall(SYS_capset, &header, data) == 0;
}

} // namespace

TEST_SUITE_BEGIN("credentials");

TEST_CASE("user, group and groups are as asked")
{
    if (!is_root())
        return;
    public_folder const folder;
    for (auto const& w : able_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const full = output_of_now(folder.probe(w, "ids").user(somebody).group(some_group).groups({77, 88}));
        CHECK(after(full, " uid") == "1234");
        CHECK(after(full, " gid") == "2345");
        CHECK(full.substr(full.find("groups")) == "groups 77 88");
        auto const dropped = output_of_now(folder.probe(w, "ids").user(somebody));
        CHECK(after(dropped, " uid") == "1234");
        CHECK(dropped.substr(dropped.find("groups")) == "groups");
        auto const group_alone = output_of_now(folder.probe(w, "ids").group(some_group));
        CHECK(after(group_alone, " uid") == "0");
        CHECK(after(group_alone, " gid") == "2345");
        auto const none = output_of_now(folder.probe(w, "ids").groups({}));
        CHECK(none.substr(none.find("groups")) == "groups");
        auto const all = output_of_now(folder.probe(w, "status", "Uid").user(somebody));
        CHECK(all == "1234\t1234\t1234\t1234");
        std::vector<gid_t> many(1000);
        for (gid_t i = 0; i < many.size(); ++i)
            many[i] = 10 + i;
        auto const grouped = output_of_now(folder.probe(w, "status", "Groups").groups(many));
        CHECK(grouped.ends_with(" 1008 1009 "));
    }
}

TEST_CASE("what else a command asks for holds beside a change of credentials")
{
    if (!is_root())
        return;
    public_folder const folder;
    for (auto const& w : able_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto const as_user = [&](auto const&... args) {
            return folder.probe(w, args...).user(somebody).group(some_group);
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
        CHECK(output_of_now(as_user("descriptors")) == output_of_now(folder.probe(w, "descriptors")));
        command by_name("probe", "ids");
        by_name.env("PATH", "/nowhere:" + folder.path()).user(somebody).backend(w.backend).reaper(w.reaper);
        CHECK(after(output_of_now(by_name), " uid") == "1234");
    }
}

TEST_CASE("a mapping may take any number beside a change of credentials")
{
    if (!is_root())
        return;
    public_folder const folder;
    folder.write("a", "x", 0644);
    for (auto const& w : able_ways()) {
        CAPTURE(w);
        leaves_nothing guard;
        auto cmd = folder.probe(w, "descriptors").user(somebody);
        std::string expected = "0 1 2 ";
        for (int fd = 3; fd < 24; ++fd) {
            cmd.fd(fd, stdio::file(folder.path("a"), open_mode::read));
            expected += std::to_string(fd) + " ";
        }
        auto const told = output_of_now(cmd);
        CHECK(told + (told.ends_with(' ') ? "" : " ") == expected);
    }
}

TEST_CASE("a failure after a change of credentials has its stage, and leaves nothing")
{
    if (!is_root())
        return;
    public_folder const folder;
    auto const locked = folder.path("locked");
    std::filesystem::create_directory(locked);
    ::chmod(locked.c_str(), 0700);
    folder.write("script", "#!/nowhere\n", 0755);
    for (auto const& w : able_ways()) {
        CAPTURE(w);
        auto const of = [&](std::string const& program) {
            return command(program).user(somebody).backend(w.backend).reaper(w.reaper);
        };
        auto const missing = failure_of(of("/nowhere"));
        CHECK(missing == std::errc::no_such_file_or_directory);
        CHECK(stage_of(missing) == spawn_stage::exec);
        auto const denied = failure_of(of(folder.path("locked/program")));
        CHECK(denied == std::errc::permission_denied);
        CHECK(stage_of(denied) == spawn_stage::exec);
        auto const directory = failure_of(of("/bin/true").current_dir(locked));
        CHECK(directory == std::errc::permission_denied);
        CHECK(stage_of(directory) == spawn_stage::directory);
        auto const script = failure_of(of(folder.path("script")));
        CHECK(script == std::errc::no_such_file_or_directory);
        auto const long_list = failure_of(of("/bin/true").arg(std::string(1 << 20, 'x')));
        CHECK(long_list == std::errc::argument_list_too_long);
        CHECK(stage_of(long_list) == spawn_stage::exec);
        auto const group = failure_of(of("/bin/true").group(static_cast<gid_t>(-1)));
        CHECK(group == std::errc::invalid_argument);
        CHECK(stage_of(group) == spawn_stage::credentials);
    }
}

TEST_CASE("the parent stays dumpable")
{
    if (!is_root())
        return;
    public_folder const folder;
    auto const before = ::prctl(PR_GET_DUMPABLE);
    for (auto const& w : able_ways()) {
        CAPTURE(w);
        (void)output_of_now(folder.probe(w, "ids").user(somebody));
        CHECK(::prctl(PR_GET_DUMPABLE) == before);
    }
}

TEST_CASE("an ordinary user may not become another, but stay itself")
{
    public_folder const folder;
    for (auto const& w : able_ways()) {
        CAPTURE(w);
        int const told = in_another_process([&] {
            if (::geteuid() == 0 && ::setresuid(somebody, somebody, somebody) < 0)
                return 10;
            asio::io_context context;
            if (!spawn(context, folder.probe(w, "exit", "0").user(::getuid()).group(::getgid())))
                return 14;
            auto const child = spawn(context, folder.probe(w, "ids").user(::getuid() + 1));
            if (child)
                return 11;
            if (child.error() != std::errc::operation_not_permitted)
                return 12;
            return stage_of(child.error()) == spawn_stage::credentials ? 0 : 13;
        });
        CHECK(told == 0);
    }
}

TEST_CASE("a privilege that an exec takes away serves all the same")
{
    if (!is_root())
        return;
    public_folder const folder;
    int const told = in_another_process([&] {
        if (!become_capable_user())
            return 10;
        asio::io_context context;
        command cmd(folder.path("probe"), "exit", "7");
        auto child = spawn(context, cmd.user(somebody + 1).groups({}));
        if (!child)
            return 11;
        auto const status = child.value().wait();
        return status && status.value().code() == 7 ? 0 : 12;
    });
    CHECK(told == 0);
}

TEST_CASE("who has the privilege as a capability does not hand its groups on either")
{
    if (!is_root())
        return;
    int const told = in_another_process([&] {
        gid_t const own[] = {77, 88};
        if (::setgroups(2, own) < 0 || !become_capable_user())
            return 10;
        asio::io_context context;
        command cmd("/bin/sh", "-c", "test \"$(id -G)\" = \"$(id -g)\"");
        auto child = spawn(context, cmd.user(somebody + 1));
        if (!child)
            return 11;
        auto const status = child.value().wait();
        return status && status.value().code() == 0 ? 0 : 12;
    });
    CHECK(told == 0);
}

TEST_SUITE_END();
