// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_STDIO_HPP
#define BROOD_STDIO_HPP

#include <brood/detail/export.hpp>
#include <brood/detail/text.hpp>

#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace brood {

namespace detail {

class pipe_end;

BROOD_API std::shared_ptr<pipe_end> own_pipe_end(int fd);

} // namespace detail

/// How `stdio::file` opens a file.
enum class open_mode {
    read,   ///< For reading. The file must exist.
    write,  ///< For writing. The file is created if it is missing, else truncated.
    append, ///< For appending. The file is created if it is missing.
};

/// Prints the name of the value.
BROOD_API std::ostream& operator<<(std::ostream& out, open_mode mode);

/// What one of the child's descriptors refers to. A value: nothing is opened before the spawn.
class stdio {
public:
    /// The parent's descriptor of the same number.
    /**
     * If it is not open, a standard stream is closed in the child too; another number fails with `bad_file_descriptor`.
     */
    static stdio inherit() { return {}; }

    /// /dev/null: reads return end of file, writes are discarded.
    static stdio null() { return {source_kind::null, -1}; }

    /// A pipe to the parent: `child::in()`, `out()`, `err()`. Above 2, a two-way channel: `child::channel()`.
    static stdio piped() { return {source_kind::piped, -1}; }

    /// A descriptor of the parent. It is borrowed: the library neither closes nor changes it.
    /**
     * It must be open at the spawn. Asynchronous operations, and a `child_group` that queues the command, duplicate it:
     * it may be closed once the initiating function has returned.
     *
     * O_NONBLOCK belongs to the open file description, which the child shares. If the descriptor is a non-blocking
     * pipe, such as the parent's end of another child's pipe, the child gets a blocking one. Others stay non-blocking,
     * as do inherited ones.
     */
    static stdio fd(int descriptor) { return {source_kind::fd, descriptor}; }

    /// A file that is opened at the spawn. A relative path is resolved in the parent's working directory.
    /**
     * The child opens a FIFO (fifo(7)), because the open may block. `async_spawn` does not block the event loop
     * meanwhile, and can be cancelled, unless the command chooses the backend `posix_spawn`. Before the open, the child
     * closes the descriptors that its program does not inherit; not with this backend, with a `pre_exec` hook, or if a
     * path of the command leads to a descriptor, as `/dev/fd/3` does. A start that is retried, because its program file
     * is busy for example, opens the FIFO again.
     */
    static stdio file(detail::text_arg path, open_mode mode)
    {
        stdio io(source_kind::file, -1);
        io.path_ = path;
        io.mode_ = mode;
        return io;
    }

    /// A duplicate of another descriptor of the child: `err(stdio::same_as(1))` is a shell's `2>&1`.
    /**
     * The order in which the descriptors are set does not matter.
     */
    static stdio same_as(int child_fd) { return {source_kind::same_as, child_fd}; }

    /// The parent's end of another child's pipe, such as `std::move(other.out())`. The child gets a blocking one.
    /**
     * The copies of the command share it. It is closed once a spawn has used it, or with the last copy; a failed spawn
     * does not use it. A spawn after that fails with `bad_file_descriptor`.
     */
    template <class Pipe>
        requires(!std::is_lvalue_reference_v<Pipe>)
    &&requires(Pipe pipe) { pipe.release(); }
    static stdio from(Pipe&& pipe)
    {
        stdio io(source_kind::owned, -1);
        io.owned_ = detail::own_pipe_end(pipe.is_open() ? pipe.release() : -1);
        return io;
    }

    /// The function that created the value.
    enum class source_kind {
        inherit, ///< `inherit()`
        null,    ///< `null()`
        piped,   ///< `piped()`
        fd,      ///< `fd(descriptor)`
        file,    ///< `file(path, mode)`
        same_as, ///< `same_as(child_fd)`
        owned,   ///< `from(pipe)`
    };

    source_kind kind() const noexcept { return kind_; }                              ///< Which of the functions above.
    int descriptor() const noexcept { return descriptor_; }                          ///< Of `fd` and `same_as`.
    std::string const& path() const noexcept { return path_; }                       ///< Of `file`.
    open_mode mode() const noexcept { return mode_; }                                ///< Of `file`.
    std::shared_ptr<detail::pipe_end> const& end() const noexcept { return owned_; } ///< Of `from`, for the library.

    /// Compares all members.
    friend bool operator==(stdio const&, stdio const&) = default;

private:
    stdio() = default;
    stdio(source_kind kind, int descriptor) : kind_(kind), descriptor_(descriptor) {}

    source_kind kind_ = source_kind::inherit;
    int descriptor_ = -1;
    open_mode mode_ = open_mode::read;
    std::string path_;
    std::shared_ptr<detail::pipe_end> owned_;
};

} // namespace brood

#endif
