// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_STDIO_HPP
#define BROOD_STDIO_HPP

#include <brood/detail/export.hpp>
#include <brood/detail/text.hpp>

#include <iosfwd>
#include <string>
#include <utility>

namespace brood {

/// How `stdio::file` opens a file.
enum class open_mode {
    read,   ///< For reading. The file must exist.
    write,  ///< For writing. The file is created if it is missing, else truncated.
    append, ///< For appending. The file is created if it is missing.
};

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
    static stdio null() { return {source::null, -1}; }

    /// A pipe to the parent: `child::in()`, `out()`, `err()`. Above 2, a two-way channel: `child::channel()`.
    static stdio piped() { return {source::piped, -1}; }

    /// A descriptor of the parent. It is borrowed: the library neither closes nor changes it.
    /**
     * It must be open at the spawn. Asynchronous operations, and a `child_group` that queues the command, duplicate it: it
     * may be closed once the initiating function has returned.
     *
     * O_NONBLOCK belongs to the open file description, which the child shares. If the descriptor is a non-blocking pipe,
     * such as the parent's end of another child's pipe, the child gets a blocking one. Others stay non-blocking, as do
     * inherited ones.
     */
    static stdio fd(int descriptor) { return {source::fd, descriptor}; }

    /// A file that is opened at the spawn. A relative path is resolved in the parent's working directory.
    /**
     * The child opens a FIFO (fifo(7)), which may wait for another process. The event loop runs meanwhile, and the backend
     * `vfork`, which is the automatic choice, supports a cancellation meanwhile.
     */
    static stdio file(detail::text_arg path, open_mode mode)
    {
        stdio io(source::file, -1);
        io.path_ = path;
        io.mode_ = mode;
        return io;
    }

    /// A duplicate of another descriptor of the child: `err(stdio::same_as(1))` is a shell's `2>&1`.
    /**
     * The order in which the descriptors are set does not matter.
     */
    static stdio same_as(int child_fd) { return {source::same_as, child_fd}; }

    enum class source { inherit, null, piped, fd, file, same_as };

    source from() const noexcept { return from_; }
    int descriptor() const noexcept { return descriptor_; }    ///< Of `fd` and `same_as`.
    std::string const& path() const noexcept { return path_; } ///< Of `file`.
    open_mode mode() const noexcept { return mode_; }          ///< Of `file`.

    friend bool operator==(stdio const&, stdio const&) = default;

private:
    stdio() = default;
    stdio(source from, int descriptor) : from_(from), descriptor_(descriptor) {}

    source from_ = source::inherit;
    int descriptor_ = -1;
    open_mode mode_ = open_mode::read;
    std::string path_;
};

} // namespace brood

#endif
