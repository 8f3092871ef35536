// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "process/siginfo_status.hpp"

#include <signal.h>

namespace brood::detail {

exit_status from_siginfo(int code, int value) noexcept
{
    switch (code) {
    case CLD_EXITED: return exit_status::from_raw((value & 0xff) << 8);
    case CLD_KILLED: return exit_status::from_raw(value);
    case CLD_DUMPED: return exit_status::from_raw(value | 0x80);
    case CLD_CONTINUED: return exit_status::from_raw(0xffff);
    case CLD_STOPPED:
    case CLD_TRAPPED: return exit_status::from_raw((value & 0xff) << 8 | 0x7f);
    default: return exit_status();
    }
}

} // namespace brood::detail
