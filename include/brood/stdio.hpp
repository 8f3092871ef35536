// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_STDIO_HPP
#define BROOD_STDIO_HPP

#include <string>
#include <utility>

namespace brood {

/// How `stdio::file` opens a file.
enum class open_mode {
    read,   ///< For reading; it must exist.
    write,  ///< For writing; made if missing, emptied if not.
    append, ///< For writing at the end; made if missing.
};

/// Where one of the child's descriptors leads. A value: nothing is opened before the spawn.
class stdio {
public:
    /// The parent's descriptor of the same number.
    static stdio inherit() { return {}; }

    /// /dev/null: reads end of file, swallows writes.
    static stdio null() { return {source::null, -1}; }

    /// A pipe to the parent: `child::in()`, `out()`, `err()`. For a further descriptor, a two-way channel.
    static stdio piped() { return {source::piped, -1}; }

    /// A descriptor of the parent's. Borrowed: it must be open at the spawn, and stays open and unchanged.
    /**
     * An asynchronous operation keeps what it needs: it must be open until the function that begins it has returned.
     */
    static stdio fd(int descriptor) { return {source::fd, descriptor}; }

    /// A file, opened at the spawn by the parent: a relative path starts in the parent's directory.
    static stdio file(std::string path, open_mode mode)
    {
        stdio io(source::file, -1);
        io.path_ = std::move(path);
        io.mode_ = mode;
        return io;
    }

    /// Wherever another descriptor of the child leads: `err(stdio::same_as(1))` is a shell's `2>&1`.
    /**
     * The order of the setters' calls does not matter.
     */
    static stdio same_as(int child_fd) { return {source::same_as, child_fd}; }

    enum class source { inherit, null, piped, fd, file, same_as };

    source from() const noexcept { return from_; }
    int descriptor() const noexcept { return descriptor_; } ///< Of `fd` and `same_as`.
    std::string const& path() const noexcept { return path_; }
    open_mode mode() const noexcept { return mode_; }

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
