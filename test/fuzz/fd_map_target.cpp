// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "fuzz/folder.hpp"
#include "fuzz/input.hpp"
#include "fuzz/targets.hpp"
#include "os/descriptors.hpp"
#include "spawn/fd_setup.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <map>
#include <optional>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace brood;

namespace test::fuzz {
namespace {

/// What a descriptor refers to.
struct file {
    dev_t device;
    ino_t inode;
    int access; ///< O_RDONLY, O_WRONLY or O_RDWR.

    friend bool operator==(file const&, file const&) = default;
};

struct entry {
    file refers_to;
    bool close_on_exec;

    friend bool operator==(entry const&, entry const&) = default;
};

/// A descriptor table.
using table = std::map<int, entry>;

std::optional<entry> find_entry(int fd)
{
    struct stat status;
    if (::fstat(fd, &status) < 0)
        return std::nullopt;
    int const access = ::fcntl(fd, F_GETFL) & O_ACCMODE;
    return entry{{status.st_dev, status.st_ino, access}, (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0};
}

table current_table()
{
    constexpr int end = 700; // above every number in the cases and their duplicates
    table all;
    for (int fd = 0; fd < end; ++fd)
        if (auto const found = find_entry(fd))
            all.emplace(fd, *found);
    return all;
}

/// Files and open descriptors that the cases use.
class fixture {
public:
    fixture()
    {
        folder.write("file", "text");
        ::mkfifo(folder.path("fifo").c_str(), 0600);
        for (int i = 0; i < 4; ++i)
            place(
                os::unique_fd(::open(folder.write("file" + std::to_string(i), "").c_str(), O_RDWR | O_CLOEXEC)),
                first + i, i % 2 == 0 ? O_CLOEXEC : 0);
        auto pipe = os::make_pipe().value();
        os::set_non_blocking(pipe.first.get());
        place(std::move(pipe.first), first + 4, O_CLOEXEC);
        place(std::move(pipe.second), first + 5, O_CLOEXEC);
    }

    static constexpr int first = 20;

    fuzz::folder folder;

private:
    void place(os::unique_fd fd, int number, int flags) { placed_.emplace_back(::dup3(fd.get(), number, flags)); }

    std::vector<os::unique_fd> placed_;
};

fixture& shared()
{
    static fixture all;
    return all;
}

int read_target(input& in)
{
    static constexpr int numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 21, 22, 23, 24, 25, 26, 50, 500, 600, 601};
    auto const choice = in.below(64);
    if (choice == 62)
        return -1;
    if (choice == 63)
        return INT_MAX;
    return numbers[choice % std::size(numbers)];
}

stdio read_source(input& in)
{
    auto const& folder = shared().folder;
    switch (in.below(9)) {
    case 0: return stdio::inherit();
    case 1: return stdio::null();
    case 2: return stdio::piped();
    case 3:
    case 4: return stdio::fd(read_target(in));
    case 5: return stdio::file(folder.path("file"), in.flag() ? open_mode::read : open_mode::append);
    case 6: return stdio::file(folder.path("missing"), open_mode::read);
    case 7: return stdio::file(folder.path("fifo"), in.flag() ? open_mode::read : open_mode::write);
    default: return stdio::same_as(read_target(in));
    }
}

command read_command(input& in)
{
    command cmd("/bin/true");
    cmd.inherit_fds(in.flag());
    for (auto count = in.below(16); count > 0; --count) {
        int const target = read_target(in);
        cmd.fd(target, read_source(in));
    }
    return cmd;
}

/// The parent's side of a mapping: an error, a file, or a pipe whose inode is not known beforehand.
struct origin {
    error_code error;
    std::optional<file> known;
    int pipe_of = -1;
};

error_code stdio_error(int number) { return make_error_code(spawn_stage::stdio, number); }

/// A simple reading of the documentation of `stdio`.
class model {
public:
    model(std::map<int, stdio> const& wanted, table const& parent) : wanted_(wanted), parent_(parent) {}

    error_code first_error() const
    {
        if (!wanted_.empty() && wanted_.begin()->first < 0)
            return make_error_code(spawn_stage::prepare, EINVAL);
        for (auto const& [fd, io] : wanted_) {
            if (fd <= 2 && io.kind() == stdio::source_kind::inherit)
                continue;
            if (auto const from = origin_of(fd); from.error.failed())
                return from.error;
        }
        for (auto const& [fd, io] : wanted_)
            if (fd == INT_MAX)
                return stdio_error(EBADF);
        return {};
    }

    /// The numbers that the child has for sure, and what they refer to.
    std::map<int, origin> mapped() const
    {
        std::map<int, origin> all;
        for (auto const& [fd, io] : wanted_)
            all.emplace(fd, origin_of(fd));
        return all;
    }

private:
    origin origin_of(int fd) const
    {
        std::set<int> seen;
        auto found = wanted_.find(fd);
        for (; found != wanted_.end() && found->second.kind() == stdio::source_kind::same_as;
             found = wanted_.find(fd)) {
            if (!seen.insert(fd).second)
                return {stdio_error(EINVAL), {}};
            fd = found->second.descriptor();
        }
        if (found == wanted_.end())
            return fd <= 2 ? parents(fd) : origin{stdio_error(EBADF), {}};
        auto const& io = found->second;
        switch (io.kind()) {
        case stdio::source_kind::inherit: return parents(fd);
        case stdio::source_kind::fd: return parents(io.descriptor());
        case stdio::source_kind::null: return opened("/dev/null", fd == 0 ? O_RDONLY : fd <= 2 ? O_WRONLY : O_RDWR);
        case stdio::source_kind::file: return opened(io.path(), io.mode() == open_mode::read ? O_RDONLY : O_WRONLY);
        default: return {{}, {}, fd};
        }
    }

    origin parents(int fd) const
    {
        auto const found = parent_.find(fd);
        return found == parent_.end() ? origin{stdio_error(EBADF), {}} : origin{{}, found->second.refers_to};
    }

    static origin opened(std::string const& path, int access)
    {
        struct stat status;
        if (::stat(path.c_str(), &status) < 0)
            return {stdio_error(errno), {}};
        return {{}, file{status.st_dev, status.st_ino, access}};
    }

    std::map<int, stdio> const& wanted_;
    table const& parent_;
};

/// Carries out the steps as the kernel does, including the exec at the end.
table run_steps(detail::plan const& p, table files)
{
    for (auto const& step : p.steps)
        switch (step.what) {
        case detail::action::dup_fd:
            expect(files.contains(step.a), "a step duplicates a closed descriptor " + std::to_string(step.a));
            files.insert_or_assign(step.b, entry{files.at(step.a).refers_to, false});
            break;
        case detail::action::open_file: {
            struct stat status;
            expect(::stat(static_cast<char const*>(step.data), &status) == 0, "a step opens a missing file");
            files.insert_or_assign(step.b, entry{{status.st_dev, status.st_ino, step.a & O_ACCMODE}, false});
            break;
        }
        case detail::action::close_range:
            std::erase_if(files, [&](auto const& item) { return item.first >= step.a && item.first <= step.b; });
            break;
        default: break;
        }
    std::erase_if(files, [](auto const& item) { return item.second.close_on_exec; });
    return files;
}

void check_pipe(detail::plan& p, int child_fd, file const& end)
{
    auto const parent_end = p.parent_ends.find(child_fd);
    expect(parent_end != p.parent_ends.end(), "no parent's end for " + std::to_string(child_fd));
    int const fd = parent_end->second.get();
    auto const other = find_entry(fd);
    expect(other && other->close_on_exec, "the parent's end is not private");
    expect(::fcntl(fd, F_GETFL) & O_NONBLOCK, "the parent's end blocks");
    int const access = child_fd == 0 ? O_RDONLY : child_fd <= 2 ? O_WRONLY : O_RDWR;
    expect(end.access == access, "a pipe has the wrong direction");
    if (child_fd <= 2)
        expect(other->refers_to.inode == end.inode, "the ends belong to different pipes");
    else
        expect(!(other->refers_to == end), "the ends of a channel are the same");
}

void check_child(detail::plan& p, command const& cmd, table const& parent)
{
    table const child = run_steps(p, current_table());
    auto const& wanted = cmd.data().descriptors;
    auto const mapped = model(wanted, parent).mapped();
    for (auto const& [fd, from] : mapped) {
        std::string const name = std::to_string(fd);
        if (from.error.failed()) { // an inherited standard stream that is closed
            expect(!child.contains(fd), name + " is open");
            continue;
        }
        expect(child.contains(fd), name + " is closed");
        auto const& end = child.at(fd).refers_to;
        if (from.known)
            expect(end == *from.known, name + " is another file");
        else
            check_pipe(p, from.pipe_of, end);
    }
    for (auto const& [fd, found] : child) {
        if (mapped.contains(fd))
            continue;
        auto const inherited = parent.find(fd);
        bool const may_inherit = fd <= 2 || cmd.data().inherit_fds;
        expect(
            may_inherit && inherited != parent.end() && !inherited->second.close_on_exec,
            "the child inherits " + std::to_string(fd));
        expect(inherited->second.refers_to == found.refers_to, std::to_string(fd) + " has been replaced");
    }
    for (auto const& [fd, found] : parent)
        if ((fd <= 2 || cmd.data().inherit_fds) && !found.close_on_exec)
            expect(child.contains(fd), "the child lacks " + std::to_string(fd));
}

// A queued command borrows nothing: the owner may close what it names.
void check_duplicates(detail::plan& p)
{
    auto const error = detail::dup_borrowed_fds(p);
    expect(!error.failed(), "dup_borrowed_fds: " + error.message());
    for (auto const& step : p.steps) {
        if (step.what == detail::action::open_file)
            break;
        if (step.what != detail::action::dup_fd)
            continue;
        expect(
            std::any_of(p.opened.begin(), p.opened.end(), [&](auto const& own) { return own.get() == step.a; }),
            "a step uses a borrowed descriptor");
    }
}

} // namespace

void check_fd_map(std::string_view bytes)
{
    shared();
    input in(bytes);
    bool const duplicates = in.flag();
    command const cmd = read_command(in);
    table const parent = current_table();
    auto const expected = model(cmd.data().descriptors, parent).first_error();
    {
        auto const made = detail::make_plan(cmd);
        auto const error = made ? error_code() : made.error();
        expect(error == expected, "expected \"" + expected.message() + "\", not \"" + error.message() + "\"");
        if (made) {
            auto& p = *made.value();
            check_child(p, cmd, parent);
            if (duplicates) {
                check_duplicates(p);
                check_child(p, cmd, parent);
            }
        }
    }
    expect(current_table() == parent, "the plan changes descriptors of the parent");
}

} // namespace test::fuzz
