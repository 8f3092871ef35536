// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/cgroup.hpp"

#include "os/cgroup_calls.hpp"
#include "os/descriptors.hpp"
#include "os/linux/abi.hpp"
#include "os/process.hpp"

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>

namespace brood::os {
namespace {

error_code system_error(int number) noexcept { return {number, boost::system::system_category()}; }

result<void> to_result(int outcome) noexcept
{
    if (outcome < 0)
        return system_error(-outcome);
    return boost::outcome_v2::success();
}

result<void> check_cgroup(int directory) noexcept
{
    struct statfs status {};
    if (::fstatfs(directory, &status) < 0)
        return last_error();
    return to_result(static_cast<unsigned long>(status.f_type) == abi::cgroup2_magic ? 0 : -EINVAL);
}

// The text of a small file.
class file_text {
public:
    file_text(int directory, char const* name) noexcept
    {
        unique_fd const file(::openat(directory, name, O_RDONLY | O_CLOEXEC));
        auto const size = file ? ::read(file.get(), text_, sizeof text_) : -1;
        error_ = size < 0 ? errno : 0;
        size_ = size > 0 ? static_cast<std::size_t>(size) : 0;
    }

    int error() const noexcept { return error_; }

    std::string_view text() const noexcept { return {text_, size_}; }

    std::optional<std::uint64_t> number() const noexcept { return parse(text()); }

    // The number behind a word at the beginning of a line.
    std::optional<std::uint64_t> number(std::string_view key) const noexcept
    {
        for (auto rest = text(); !rest.empty();) {
            auto const end = rest.find('\n');
            auto const line = rest.substr(0, end);
            if (line.starts_with(key) && line.substr(key.size()).starts_with(' '))
                return parse(line.substr(key.size() + 1));
            rest = end == rest.npos ? std::string_view() : rest.substr(end + 1);
        }
        return std::nullopt;
    }

private:
    static std::optional<std::uint64_t> parse(std::string_view digits) noexcept
    {
        std::uint64_t value = 0;
        auto const parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return parsed.ec == std::errc() ? std::optional(value) : std::nullopt;
    }

    char text_[2048];
    std::size_t size_;
    int error_;
};

// procfs writes a space in a path as \040.
std::string unescape(std::string const& text)
{
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (text[i] == '\\' && i + 3 < text.size()) {
            plain += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
            i += 3;
        } else {
            plain += text[i];
        }
    return plain;
}

// Where the hierarchy of cgroup v2 is mounted, and the cgroup that is visible there as the root.
struct mount {
    std::string root, point;
};

result<mount> find_mount()
{
    std::ifstream file("/proc/self/mountinfo");
    if (!file.is_open())
        return last_error();
    for (std::string line; std::getline(file, line);) {
        if (line.find(" - cgroup2 ") == line.npos)
            continue;
        std::istringstream words(line);
        std::string skipped, root, point;
        if (words >> skipped >> skipped >> skipped >> root >> point)
            return mount{unescape(root), unescape(point)};
    }
    return system_error(ENOTSUP);
}

result<std::string> find_own_name()
{
    std::ifstream file("/proc/self/cgroup");
    if (!file.is_open())
        return last_error();
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("0::/"))
            return line.substr(3);
    return system_error(ENOTSUP);
}

} // namespace

result<unique_fd> open_cgroup(char const* path) noexcept
{
    unique_fd directory(::open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!directory)
        return last_error();
    if (auto const checked = check_cgroup(directory.get()); !checked)
        return checked.error();
    return directory;
}

// A cgroup that has been removed was empty.
result<void> kill_cgroup(int directory) noexcept
{
    int const error = raw::kill_cgroup(directory);
    return to_result(error == -ENOENT || error == -ENODEV ? 0 : error);
}

result<unique_fd> open_cgroup_kill(int directory, char const* name) noexcept
{
    int const opened = raw::open_kill(directory, name);
    if (opened < 0)
        return system_error(-opened);
    return above_standard(unique_fd(opened));
}

result<void> kill_cgroup_by(int descriptor) noexcept
{
    int const error = raw::kill_by(descriptor);
    return to_result(error == -ENODEV ? 0 : error);
}

result<std::string> own_cgroup()
{
    auto const own_name = find_own_name();
    if (!own_name)
        return own_name.error();
    auto const found = find_mount();
    if (!found)
        return found.error();
    auto const& name = own_name.value();
    auto const& [root, point] = found.value();
    // A cgroup outside the root of this cgroup namespace begins with "/..".
    bool const is_below = root == "/" || name == root || name.starts_with(root + '/');
    if (!is_below || name.starts_with("/.."))
        return system_error(ENOENT);
    auto path = point + (root == "/" ? name : name.substr(root.size()));
    if (path.ends_with('/'))
        path.pop_back();
    auto const members = path + "/cgroup.procs"; // whoever may write it may move processes to cgroups below
    if (::faccessat(AT_FDCWD, members.c_str(), W_OK, AT_EACCESS) < 0)
        return last_error();
    return path;
}

result<void> create_cgroup(int directory, char const* name) noexcept
{
    if (::mkdirat(directory, name, 0755) < 0)
        return last_error();
    return boost::outcome_v2::success();
}

result<void> remove_cgroup(int directory, char const* name) noexcept
{
    return to_result(raw::remove_cgroup(directory, name));
}

result<unique_fd> open_cgroup_in(int directory, char const* name) noexcept
{
    unique_fd opened(::openat(directory, name, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!opened)
        return last_error();
    return opened;
}

error_code check_usable_cgroup(int directory) noexcept
{
    file_text const type(directory, "cgroup.type");
    if (type.error() != 0)
        return system_error(type.error());
    if (type.text() != "domain\n")
        return system_error(ENOTSUP);
    if (::faccessat(directory, "cgroup.kill", W_OK, AT_EACCESS) < 0)
        return system_error(errno == ENOENT ? ENOTSUP : errno);
    return {};
}

result<unique_fd> open_cgroup_events(int directory, char const* name) noexcept
{
    int const events = raw::open_events(directory, name);
    if (events < 0)
        return system_error(-events);
    return unique_fd(events);
}

result<bool> is_populated(int events) noexcept
{
    int const populated = raw::is_populated(events);
    if (populated == -ENODEV) // the cgroup has been removed
        return false;
    if (populated < 0)
        return system_error(-populated);
    return populated > 0;
}

void wait_for_change(int events) noexcept
{
    pollfd entry{events, POLLPRI, 0};
    (void)::poll(&entry, 1, 1000); // whoever removes the cgroup need not notify
}

result<void> set_in_cgroup(int directory, char const* file, std::string_view value) noexcept
{
    unique_fd const opened(::openat(directory, file, O_WRONLY | O_CLOEXEC));
    if (!opened || ::write(opened.get(), value.data(), value.size()) < 0)
        return last_error();
    return boost::outcome_v2::success();
}

// The processor time is counted without a controller.
bool enable_counters(int directory) noexcept
{
    (void)set_in_cgroup(directory, "cgroup.subtree_control", "+cpu");
    bool const memory = set_in_cgroup(directory, "cgroup.subtree_control", "+memory").has_value();
    bool const processes = set_in_cgroup(directory, "cgroup.subtree_control", "+pids").has_value();
    return memory || processes;
}

tree_usage read_usage(int directory, bool all) noexcept
{
    tree_usage used;
    file_text const time(directory, "cpu.stat");
    used.user_time = std::chrono::microseconds(time.number("user_usec").value_or(0));
    used.system_time = std::chrono::microseconds(time.number("system_usec").value_or(0));
    if (!all)
        return used;
    used.peak_memory = file_text(directory, "memory.peak").number();
    used.peak_processes = file_text(directory, "pids.peak").number();
    used.out_of_memory_kills = file_text(directory, "memory.events").number("oom_kill").value_or(0);
    return used;
}

} // namespace brood::os
