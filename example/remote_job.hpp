// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_REMOTE_JOB_HPP
#define BROOD_EXAMPLE_REMOTE_JOB_HPP

#include <brood/child.hpp>
#include <brood/command.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <string>

// A job behind a launcher. The launcher's process is here, the job's processes may be on another machine: a signal to
// the one does not reach the others. Therefore a shell script runs beside the job and reads the launcher's standard
// input. A line names a signal for the job; the end of the input, for which the end of the connection, of the launcher
// or of this program suffices, is SIGKILL.
//
// Limits: the launcher must pass on its standard input, and the host needs a POSIX shell and setsid(1). A descendant
// with a process group of its own is not reached. A job that a signal ends has the exit status 128 + the signal. If the
// network fails silently, the host notices only if its server probes the connection (ClientAliveInterval of sshd).

// The job is led by a shell that ignores signals for its group and stops itself after the job: the number of the group
// stays valid until the last kill. Nothing of the job runs in the background of a shell, which would ignore SIGINT.
inline constexpr char const* guard_script = R"(
command -v setsid >/dev/null || { echo 'setsid(1) is missing'; exit 255; }
exec 3<&0 4>&1 </dev/null 2>/dev/null
{
  setsid /bin/sh -c '
    trap : HUP INT QUIT TERM
    echo $$
    (exec /bin/sh -c "$0" >&4 2>&4 3<&- 4>&-)
    echo $?
    kill -s STOP $$' "$1"
} | {
  read -r group || exit 255
  {
    while read -r signal; do kill -s "$signal" -- "-$group"; done
    kill -s KILL -- "-$group"
  } <&3 >/dev/null 4>&- &
  read -r status || status=137
  kill -s KILL $!
  kill -s KILL -- "-$group"
  exit "$status"
}
)";

/// A shell command that can be put under a launcher. Both outputs go to standard output.
inline brood::command remote_job(std::string const& line)
{
    auto const text = brood::command::shell(line).arguments().back(); // never an option
    brood::command cmd("/bin/sh", "-c", guard_script, "job", text);
    cmd.in(brood::stdio::piped());
    return cmd;
}

/// Sends a signal, such as "TERM", to the process group of a job.
inline void signal_remote_job(brood::child& launcher, std::string const& name)
{
    brood::error_code ignored; // the job has ended
    boost::asio::write(launcher.in(), boost::asio::buffer(name + '\n'), ignored);
}

/// Kills the process group of a job. The launcher then ends.
inline void kill_remote_job(brood::child& launcher)
{
    brood::error_code ignored;
    launcher.in().close(ignored);
}

#endif
