// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

// The relay: a program without a C library that carries out the rest of a plan. See spawn/relay.hpp.
#include "spawn/relay_parcel.hpp"

namespace brood::detail {
namespace {

template <class T>
void relocate(char* base, T*& pointer) noexcept
{
    if (pointer)
        pointer = reinterpret_cast<T*>(base + reinterpret_cast<std::uintptr_t>(pointer));
}

int number(char const* digits) noexcept
{
    int value = 0;
    for (; *digits; ++digits)
        value = value * 10 + (*digits - '0');
    return value;
}

} // namespace

extern "C" [[noreturn]] void brood_relay_main(char** argv, char** envp) noexcept
{
    char* const base = os::raw::map_rest(number(argv[0]), relay_parcel_offset);
    if (!base)
        os::raw::kill_self(); // unlike a code, the signal is not taken for the program's exit
    auto& parcel = *reinterpret_cast<relay_parcel*>(base);
    auto* const steps = reinterpret_cast<step*>(base + sizeof parcel);
    for (unsigned i = 0; i < parcel.count; ++i)
        relocate(base, steps[i].data);

    auto& last = steps[parcel.count - 1];
    auto** const candidates = static_cast<char**>(const_cast<void*>(last.data));
    for (auto** path = candidates; *path; ++path)
        relocate(base, *path);
    exec_target const program{candidates, argv + 1, envp};
    last.data = &program;

    child_args args(steps, parcel.count, parcel.inherited_mask);
    args.report_fd = parcel.report_fd;
    for (int fd : {number(argv[0]), parcel.report_fd, parcel.exec_pipe})
        if (fd >= 0)
            os::raw::close_on_exec(fd, fd);
    run_and_report(args);
}

} // namespace brood::detail
