// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_SSH_CONNECTION_HPP
#define BROOD_EXAMPLE_SSH_CONNECTION_HPP

#include <brood/as_result.hpp>
#include <brood/child.hpp>
#include <brood/command.hpp>
#include <brood/spawn.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <stdlib.h>

/// A folder that only this user can enter. The destructor deletes it with its content.
class private_folder {
public:
    private_folder()
    {
        std::string name = std::filesystem::temp_directory_path() / "job_runner-XXXXXX";
        if (!::mkdtemp(name.data()))
            throw std::system_error(errno, std::generic_category(), "cannot create " + name);
        path_ = name;
    }
    ~private_folder()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    private_folder(private_folder const&) = delete;
    private_folder& operator=(private_folder const&) = delete;

    std::string file(std::string const& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

/// One connection of OpenSSH to a host, which the commands that run there share.
/**
 * The connection ends with this object, and with this process, however it ends: the command that keeps it open waits
 * for the end of its input.
 */
class ssh_connection {
public:
    /// `client` is the program with options, `socket` a path in a private folder.
    ssh_connection(
        boost::asio::any_io_executor executor, std::vector<std::string> client, std::string host, std::string socket)
        : host_(std::move(host)), client_(std::move(client)), socket_(std::move(socket)), master_(executor)
    {}

    std::string const& host() const { return host_; }

    /// Connects, and waits until the host executes commands. ssh reports errors on standard error.
    boost::asio::awaitable<bool> connect()
    {
        std::string const ready = "job_runner: connected\n"; // a start file of the host's shell may print other lines
        brood::command cmd("/bin/sh", "-c", "echo job_runner: connected; exec cat >/dev/null");
        cmd.in(brood::stdio::piped()).out(brood::stdio::piped()).process_group();
        auto const executor = master_.get_executor();
        auto spawned = brood::spawn(executor, cmd.under_shell(words("yes")));
        if (!spawned)
            throw boost::system::system_error(spawned.error(), brood::describe(cmd, spawned.error()));
        master_ = std::move(spawned).value();
        std::string text;
        auto const size = co_await boost::asio::async_read_until(
            master_.out(), boost::asio::dynamic_buffer(text, 1 << 16), ready, brood::as_result);
        is_connected_ = size.has_value();
        co_return is_connected_;
    }

    /// Gives up an attempt to connect.
    void cancel_connect()
    {
        if (!is_connected_)
            (void)master_.kill();
    }

    /// Whether the connection has been lost.
    bool is_lost()
    {
        auto const status = master_.try_wait();
        return !status || status.value();
    }

    /// A command that runs on the host.
    brood::command on_host(brood::command cmd) const { return std::move(cmd).under_shell(words("no")); }

private:
    // ssh uses the first value of an option: these precede those of the user.
    std::vector<std::string> words(std::string const& is_master) const
    {
        std::vector<std::string> all = client_;
        std::string path = socket_;
        for (auto at = path.find('%'); at != path.npos; at = path.find('%', at + 2))
            path.insert(at, 1, '%');
        std::vector<std::string> const options{
            "-T", "-S", path, "-oControlMaster=" + is_master, "-oControlPersist=no", "-oServerAliveInterval=15",
        };
        all.insert(all.begin() + 1, options.begin(), options.end());
        if (is_master == "no")
            all.push_back("-oBatchMode=yes");
        all.push_back("--");
        all.push_back(host_);
        return all;
    }

    std::string host_;
    std::vector<std::string> client_;
    std::string socket_;
    brood::child master_;
    bool is_connected_ = false;
};

#endif
