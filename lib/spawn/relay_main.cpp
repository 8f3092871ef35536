// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The relay: a program without a C library that carries out the rest of a plan, and stays as the guard of a contained
// program. It may be a watchdog instead. See spawn/relay.hpp, contain/guard.hpp and contain/watchdog.hpp.
#include "contain/guard.hpp"
#include "spawn/relay_parcel.hpp"

namespace brood::detail {
namespace {

template <class T>
void relocate(char* base, T*& pointer) noexcept
{
    if (pointer)
        pointer = reinterpret_cast<T*>(base + reinterpret_cast<std::uintptr_t>(pointer));
}

// -1 if the text is no number: the program has been started by hand.
int number(char const* digits) noexcept
{
    int value = 0;
    for (; digits && *digits; ++digits) {
        if (*digits < '0' || *digits > '9')
            return -1;
        value = value * 10 + (*digits - '0');
    }
    return digits ? value : -1;
}

} // namespace

extern "C" [[noreturn]] void brood_relay_main(char** argv, char** envp) noexcept
{
    int const file = number(argv[0]);
    int const report_fd = file < 0 ? -1 : number(argv[1]);
    long const mapped = os::raw::map_rest(file, relay_parcel_offset);
    if (mapped < 0)
        report_and_exit(report_fd, {static_cast<int>(-mapped), spawn_stage::clone});
    char* const base = reinterpret_cast<char*>(mapped);
    auto& parcel = *reinterpret_cast<relay_parcel*>(base);
    if (parcel.watchdog.link >= 0)
        os::raw::exit_now(-watch_cgroup(parcel.watchdog, parcel.parent, argv, envp));
    auto* const steps = reinterpret_cast<step*>(base + sizeof parcel);
    for (unsigned i = 0; i < parcel.count; ++i)
        relocate(base, steps[i].data);

    auto& last = steps[parcel.count - 1];
    auto** const candidates = static_cast<char**>(const_cast<void*>(last.data));
    for (auto** path = candidates; *path; ++path)
        relocate(base, *path);
    exec_target const program{candidates, argv + 2, envp};
    last.data = &program;

    child_args args(steps, parcel.count);
    args.kept[0] = args.report_fd = report_fd;
    args.kept[1] = parcel.exec_pipe;
    for (int fd : {file, report_fd, parcel.exec_pipe, parcel.link})
        if (fd >= 0)
            os::raw::close_on_exec(fd, fd);
    if (parcel.link >= 0)
        contain(args, parcel.link, parcel.parent, argv, envp);
    run_and_report(args);
}

} // namespace brood::detail
