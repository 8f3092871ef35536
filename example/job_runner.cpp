// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// job_runner: runs the commands of a file, several at a time, each with a time limit, and writes a JUnit report:
//
//     job_runner -j 4 --timeout 60 --junit report.xml commands.txt
//     job_runner -j 4 --hosts hosts.txt commands.txt
#include "contained.hpp"
#include "options.hpp"
#include "remote_job.hpp"
#include "ssh_connection.hpp"

#include <brood.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/nowide/utf/utf.hpp>
#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <deque>
#include <exception>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr char const* usage =
    "Usage: job_runner [options] FILE\n\n"
    "Runs the lines of a file (-: standard input) as shell commands, except blank lines and lines that start with #.\n"
    "The output of each is printed in one piece. ^C stops all by SIGTERM, and after 5 seconds by SIGKILL.\n"
    "A command ends with its shell, and then everything that it has started. On systems that cannot contain it, a\n"
    "descendant is waited for, and one that leaves the process group may run on.\n"
    "A launcher must pass on standard input: docker run -i, systemd-run --pipe. Its end kills the command.\n"
    "The exit status is 0 if all succeed, 2 after a usage error, 128 + the signal after a stop, else 1.\n\nOptions";

struct job {
    std::string line;
    brood::child child; // empty before the start
    asio::steady_timer timer;
    bool is_remote = false; // the child is a launcher
    bool timed_out = false;
    // The state is the name of the JUnit element, or "passed".
    std::string state = "skipped", result = "not run", seconds = "0", output{};
};

/// The lines of a file, except blank lines and comments.
std::vector<std::string> read_lines(std::string const& name)
{
    std::ifstream file(name);
    std::istream& in = name == "-" ? std::cin : file;
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);)
        if (auto const start = line.find_first_not_of(" \t\r"); start != line.npos && line[start] != '#')
            lines.push_back(line);
    if (!in.eof())
        throw po::error("cannot read " + name + ": " + std::strerror(errno));
    return lines;
}

/// Runs all jobs, on one thread.
struct job_runner {
    brood::duration limit{};
    std::vector<std::string> launcher{};
    asio::io_context loop{1};
    asio::signal_set signals{loop, SIGINT, SIGTERM};
    std::vector<job> jobs{};
    private_folder sockets{};
    std::deque<ssh_connection> hosts{};
    std::size_t next = 0;
    int tasks = 0; // that run jobs or connect
    int signal = 0;

    void read_jobs(std::string const& name)
    {
        for (auto const& line : read_lines(name))
            jobs.push_back({line, brood::child(loop.get_executor()), asio::steady_timer(loop)});
    }

    void read_hosts(std::string const& name, std::vector<std::string> const& client)
    {
        for (auto const& host : read_lines(name))
            hosts.emplace_back(loop.get_executor(), client, host, sockets.file(std::to_string(hosts.size())));
        if (hosts.empty())
            throw po::error(name + " names no host");
    }

    /// Runs all jobs, at most `count` at once on this machine or on each host.
    void run(int count)
    {
        asio::co_spawn(loop, stop_on_signal(), asio::detached);
        for (auto& host : hosts)
            start(connect(host, count));
        for (int i = hosts.empty() ? count : 0; i > 0; --i)
            start(run_jobs(nullptr));
        loop.run();
    }

    void start(asio::awaitable<void> task)
    {
        ++tasks;
        asio::co_spawn(loop, std::move(task), [this](std::exception_ptr failure) {
            rethrow(failure);
            if (--tasks == 0)
                loop.stop();
        });
    }

    asio::awaitable<void> connect(ssh_connection& host, int count)
    {
        if (!co_await host.connect()) {
            std::cerr << "job_runner: " << host.host() << ": cannot connect\n";
            co_return;
        }
        for (int i = count; i > 0; --i)
            start(run_jobs(&host));
    }

    asio::awaitable<void> run_jobs(ssh_connection* host)
    {
        while (signal == 0 && next < jobs.size()) {
            auto& current = jobs[next++];
            auto const start = std::chrono::steady_clock::now();
            auto const status = co_await run_command(current, host);
            std::string const cause = signal != 0 ? "stopped, " : current.timed_out ? "timed out, " : "";
            current.seconds = std::to_string((std::chrono::steady_clock::now() - start) / 1.0s);
            current.result = cause + (status ? to_string(status.value()) : status.error().message());
            current.state = cause.empty() && status && status.value().success() ? "passed" : "failure";
            std::cout << "\n--- " << (host ? host->host() + ": " : "") << current.line << ": " << current.result << '\n'
                      << current.output << std::flush;
            if (host && host->is_lost()) {
                std::cerr << "job_runner: " << host->host() << ": connection lost\n";
                co_return;
            }
        }
    }

    brood::command command_of(std::string const& line, ssh_connection const* host) const
    {
        if (host)
            return host->on_host(remote_job(line).under(launcher));
        if (!launcher.empty())
            return remote_job(line).under(launcher);
        return brood::command::shell(line).in(brood::stdio::null());
    }

    asio::awaitable<brood::result<brood::exit_status>> run_command(job& current, ssh_connection const* host)
    {
        auto cmd = command_of(current.line, host);
        cmd.out(brood::stdio::piped()).err(brood::stdio::same_as(1));
        // The command has its own process group: it does not receive the terminal's ^C. A launcher must outlive this process
        // until it has ended its job.
        current.is_remote = host || !launcher.empty();
        cmd.process_group();
        auto spawned = current.is_remote ? brood::spawn(loop, cmd) : start_contained(loop, cmd);
        if (!spawned)
            co_return spawned.error();
        current.child = std::move(spawned).value();
        asio::co_spawn(loop, kill_after(current, limit), asio::detached);
        // The wait comes last: where descendants are not contained, a kill reaches the shell's group until it is reaped.
        (void)co_await asio::async_read(current.child.out(), asio::dynamic_buffer(current.output), brood::as_result);
        current.child.out().close();
        auto const status = co_await current.child.async_wait(brood::as_result);
        current.child.in().close();
        co_return status;
    }

    /// Kills a job, unless it has ended by then. A later call replaces the time.
    asio::awaitable<void> kill_after(job& late, brood::duration time)
    {
        late.timer.expires_after(time);
        co_await late.timer.async_wait(asio::deferred);
        late.timed_out = true;
        if (late.is_remote) { // the launcher ends after the command, unless the connection hangs
            kill_remote_job(late.child);
            late.timer.expires_after(5s);
            co_await late.timer.async_wait(asio::deferred);
        }
        (void)late.child.kill_tree();
        late.timer.expires_after(1s);
        co_await late.timer.async_wait(asio::deferred);
        late.child.out().close(); // one that is not contained and has left the group may hold the output open
    }

    asio::awaitable<void> stop_on_signal()
    {
        signal = co_await signals.async_wait(asio::deferred);
        std::cerr << "job_runner: stopping\n";
        for (auto& host : hosts)
            host.cancel_connect();
        for (auto& each : jobs) { // without effect on jobs that do not run
            if (each.is_remote)
                signal_remote_job(each.child, "TERM");
            else
                (void)each.child.signal_group(SIGTERM);
            asio::co_spawn(loop, kill_after(each, 5s), asio::detached);
        }
    }
};

/// Replaces what XML 1.0 does not allow, such as ESC and invalid UTF-8, by U+FFFD.
std::string to_xml(std::string const& text)
{
    std::string xml;
    for (auto at = text.begin(), start = at; at != text.end(); start = at) {
        auto const code = boost::nowide::utf::utf_traits<char>::decode(at, text.end());
        bool const is_space = code == '\t' || code == '\n' || code == '\r';
        bool const is_valid = is_space || (code >= ' ' && code < 0xfffe) || (code > 0xffff && code < 0x110000);
        at = is_valid ? at : start + 1;
        xml += is_valid ? std::string(start, at) : "\uFFFD";
    }
    return xml;
}

/// Prints the summary and writes the JUnit report. Returns whether all jobs have passed.
bool report(std::vector<job> const& jobs, std::ostream& junit)
{
    std::map<std::string, std::size_t> count;
    boost::property_tree::ptree root;
    auto& suite = root.put("testsuite", "");
    std::cout << std::left << "\nseconds    result                          job\n";
    for (auto const& each : jobs) {
        ++count[each.state];
        std::cout << std::setw(10) << each.seconds << ' ' << std::setw(31) << each.result << ' ' << each.line << '\n';
        auto& test = suite.add("testcase", "");
        test.put("<xmlattr>.name", to_xml(each.line));
        test.put("<xmlattr>.time", each.seconds);
        if (each.state != "passed")
            test.put(each.state + ".<xmlattr>.message", each.result);
        test.put("system-out", to_xml(each.output));
    }
    std::cout << count["passed"] << " passed, " << count["failure"] << " failed, " << count["skipped"] << " not run\n";
    suite.put("<xmlattr>.name", "job_runner");
    suite.put("<xmlattr>.tests", jobs.size());
    suite.put("<xmlattr>.failures", count["failure"]);
    suite.put("<xmlattr>.skipped", count["skipped"]);
    write_xml(junit, root, boost::property_tree::xml_writer_make_settings<std::string>(' ', 2));
    return count["passed"] == jobs.size();
}

} // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN); // a failed write is reported; the commands have the default action
    return run_program("job_runner", [&] {
        po::options_description known(usage);
        int running = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
        double limit = 1e9; // decades
        std::string junit_name = "/dev/null", hosts_name, launcher, client = "ssh";
        auto add = known.add_options();
        add("jobs,j", po::value(&running)->default_value(running)->value_name("N"), "maximum number of running jobs");
        add("timeout", po::value(&limit)->value_name("SECONDS"), "kill a command and its descendants after this time");
        add("launcher", po::value(&launcher)->value_name("WORDS"), "put each command under a launcher: 'srun -n1'");
        add("hosts", po::value(&hosts_name)->value_name("FILE"),
            "run the commands on these hosts, N on each, over ssh");
        add("ssh", po::value(&client)->value_name("WORDS"), "the client of OpenSSH with options: 'ssh -p 2222'");
        add("junit", po::value(&junit_name)->value_name("FILE"), "write a JUnit XML report");
        auto const words = parse_options(argc, argv, known);
        if (po::split_unix(client).empty())
            throw po::error("--ssh names no program");
        if (words.size() != 1 || running < 1 || !(limit > 0 && limit <= 1e9))
            throw po::error("one file, a positive number of jobs and a positive timeout are required; try --help");
        job_runner runner{std::chrono::duration_cast<brood::duration>(limit * 1s), po::split_unix(launcher)};
        runner.read_jobs(words.front());
        if (!hosts_name.empty())
            runner.read_hosts(hosts_name, po::split_unix(client));
        std::ofstream junit(junit_name);
        if (!junit)
            throw po::error("cannot write " + junit_name + ": " + std::strerror(errno));

        runner.run(running);
        bool const passed = report(runner.jobs, junit);
        if (!junit.flush() || (!std::cout.flush() && runner.signal == 0))
            throw std::runtime_error("cannot write the report or standard output");
        return runner.signal != 0 ? 128 + runner.signal : passed ? 0 : 1;
    });
}
