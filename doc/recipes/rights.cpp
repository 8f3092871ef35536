// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/io_context.hpp>

#include <cerrno>
#include <initializer_list>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>

#include <pwd.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

//! [user]
// Runs a program as another user. Only root, or a process with CAP_SETUID and CAP_SETGID, can do that.
brood::command as_user(brood::command command, std::string const& name)
{
    passwd const* entry = ::getpwnam(name.c_str());
    if (!entry)
        throw std::invalid_argument("no such user: " + name);
    command.user(entry->pw_uid).group(entry->pw_gid); // and no supplementary groups
    command.env_keep("LANG", "TZ").env("HOME", entry->pw_dir).env("USER", name).env("PATH", "/usr/bin:/bin");
    return command.no_new_privileges().umask(077).current_dir("/");
}
//! [user]

//! [contained]
// Nothing that the command starts runs on after its end: no daemon, no job in the background.
brood::result<brood::exit_status> run_contained(boost::asio::io_context& context, brood::command command)
{
    auto child = brood::spawn(context, command.contained());
    if (!child)
        return child.error(); // not_supported if the system offers neither a cgroup nor a guard
    return child.value().wait();
}
//! [contained]

//! [sandbox]
// A program without network and without a view of other processes' ids. It needs no privilege if the system permits
// user namespaces to everybody.
brood::command isolate(brood::command command)
{
    command.namespaces(brood::ns::user, brood::ns::pid, brood::ns::net, brood::ns::ipc);
    return command.map_uid(0, ::geteuid()).map_gid(0, ::getegid()).no_new_privileges();
}
//! [sandbox]

//! [init]
// Call it first in main of a program that may be PID 1 of a container. The program then runs in a child of PID 1,
// which passes signals on and reaps the orphans that the kernel gives to it. brood is not used in PID 1.
void leave_pid_1()
{
    if (::getpid() != 1)
        return;
    sigset_t all;
    ::sigfillset(&all);
    sigset_t previous;
    ::sigprocmask(SIG_BLOCK, &all, &previous);
    pid_t const main_child = ::fork();
    if (main_child == 0) {
        ::sigprocmask(SIG_SETMASK, &previous, nullptr);
        return;
    }
    if (main_child < 0)
        ::_exit(127);
    for (;;) {
        int signal = 0;
        ::sigwait(&all, &signal);
        if (signal != SIGCHLD)
            ::kill(main_child, signal);
        int status = 0;
        for (pid_t ended; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;)
            if (ended == main_child)
                ::_exit(brood::exit_status::from_raw(status).shell_code());
    }
}
//! [init]

bool is_refused(brood::error_code error)
{
    for (auto condition :
         {std::errc::not_supported, std::errc::operation_not_permitted, std::errc::permission_denied,
          std::errc::no_space_on_device, std::errc::function_not_supported})
        if (error == condition)
            return true;
    return false;
}

} // namespace

int main(int argc, char** argv)
{
    leave_pid_1();
    if (argc > 1)
        return 3; // the program in the sandbox

    boost::asio::io_context context;
    passwd const* own = ::getpwuid(::geteuid());
    if (!own) {
        std::cout << "skipped: this user has no name\n";
        return 77;
    }
    std::string const name = ::geteuid() == 0 ? "nobody" : own->pw_name;
    brood::command test("sh", "-c", "test \"$(id -un)\" = \"$USER\"");
    std::cout << "as another user: " << brood::spawn(context, as_user(test, name)).value().wait().value() << std::endl;

    auto contained = run_contained(context, brood::command::shell("sleep 600 & echo started"));
    if (!contained && is_refused(contained.error())) {
        std::cout << "skipped: contained: " << contained.error().message() << '\n';
        return 77;
    }
    std::cout << "contained: " << contained.value() << '\n';

    auto isolated = brood::spawn(context, isolate(brood::command(argv[0], "inside")));
    if (!isolated && is_refused(isolated.error())) {
        std::cout << "skipped: namespaces: " << isolated.error().message() << '\n';
        return 77;
    }
    std::cout << "isolated, as PID 1: " << isolated.value().wait().value() << '\n';
}
