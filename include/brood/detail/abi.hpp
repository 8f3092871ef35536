// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_ABI_HPP
#define BROOD_DETAIL_ABI_HPP

#include <brood/detail/export.hpp>

#include <boost/asio/detail/config.hpp>
#include <boost/system/detail/config.hpp>
#include <boost/version.hpp>

#include <type_traits>

/// Makes the link fail if the program and the library were built with different settings of Boost or the compiler.
/**
 * The program and the library share Asio's objects: both contain inline functions that work on the same io_context.
 * Every setting that changes the layout or the meaning of a shared object is a type below. A translation unit that
 * includes brood refers to `library_built_with<setting>` for each of its own settings. The library defines it for the
 * settings that it was built with. So the linker reports exactly the settings that differ:
 *
 * @code undefined reference to `void brood::abi::library_built_with<brood::abi::asio_without_threads>()' @endcode
 */
namespace brood::abi {

/// Boost's version. Boost promises no stable binary interface between any two releases, patch releases included.
template <int major, int minor, int patch>
struct BROOD_API boost;

// Asio. The comment names the macro that selects the second type.

struct BROOD_API asio_reactor_epoll;
struct BROOD_API asio_reactor_io_uring;
struct BROOD_API asio_reactor_kqueue;
struct BROOD_API asio_reactor_dev_poll;
struct BROOD_API asio_reactor_select;

struct BROOD_API asio_header_only;
struct BROOD_API asio_separately_compiled; // BOOST_ASIO_SEPARATE_COMPILATION

struct BROOD_API asio_without_io_uring; // changes the size of cached memory blocks, also beside another reactor
struct BROOD_API asio_with_io_uring;    // BOOST_ASIO_HAS_IO_URING

struct BROOD_API asio_with_threads;
struct BROOD_API asio_without_threads; // BOOST_ASIO_DISABLE_THREADS

struct BROOD_API asio_with_thread_keyword;
struct BROOD_API asio_without_thread_keyword; // BOOST_ASIO_DISABLE_THREAD_KEYWORD_EXTENSION

struct BROOD_API asio_with_eventfd;
struct BROOD_API asio_without_eventfd; // BOOST_ASIO_DISABLE_EVENTFD

struct BROOD_API asio_with_timerfd;
struct BROOD_API asio_without_timerfd; // BOOST_ASIO_DISABLE_TIMERFD

struct BROOD_API asio_without_handler_tracking;
struct BROOD_API asio_with_handler_tracking;        // BOOST_ASIO_ENABLE_HANDLER_TRACKING
struct BROOD_API asio_with_custom_handler_tracking; // BOOST_ASIO_CUSTOM_HANDLER_TRACKING

struct BROOD_API asio_with_typeid;
struct BROOD_API asio_without_typeid; // BOOST_ASIO_NO_TYPEID; set by -fno-rtti

struct BROOD_API asio_with_exceptions;
struct BROOD_API asio_without_exceptions; // BOOST_ASIO_NO_EXCEPTIONS; set by -fno-exceptions

struct BROOD_API asio_with_exception_ptr;
struct BROOD_API asio_without_exception_ptr; // BOOST_ASIO_DISABLE_STD_EXCEPTION_PTR

struct BROOD_API asio_with_standard_executors;
struct BROOD_API asio_with_ts_executors; // BOOST_ASIO_USE_TS_EXECUTOR_AS_DEFAULT

struct BROOD_API asio_with_small_block_recycling;
struct BROOD_API asio_without_small_block_recycling; // BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING

template <int size>
struct BROOD_API asio_recycling_allocator_cache; // BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE

struct BROOD_API asio_with_handler_hooks;
struct BROOD_API asio_without_handler_hooks; // BOOST_ASIO_DISABLE_HANDLER_HOOKS

struct BROOD_API asio_with_std_atomic;
struct BROOD_API asio_without_std_atomic; // BOOST_ASIO_DISABLE_STD_ATOMIC

struct BROOD_API asio_with_std_shared_ptr;
struct BROOD_API asio_without_std_shared_ptr; // BOOST_ASIO_DISABLE_STD_SHARED_PTR

struct BROOD_API asio_with_std_aligned_alloc;
struct BROOD_API asio_without_std_aligned_alloc; // BOOST_ASIO_DISABLE_STD_ALIGNED_ALLOC

struct BROOD_API asio_without_buffer_debugging;
struct BROOD_API asio_with_buffer_debugging; // BOOST_ASIO_ENABLE_BUFFER_DEBUGGING; set by _GLIBCXX_DEBUG

// Boost.System.

struct BROOD_API boost_system_with_threads;
struct BROOD_API boost_system_without_threads; // BOOST_SYSTEM_DISABLE_THREADS

// The compiler and the standard library.

struct BROOD_API compiled_with_rtti;
struct BROOD_API compiled_without_rtti; // -fno-rtti

struct BROOD_API libstdcxx_with_cxx11_strings;
struct BROOD_API libstdcxx_with_old_strings; // _GLIBCXX_USE_CXX11_ABI=0
struct BROOD_API libcxx;                     // -stdlib=libc++

struct BROOD_API libstdcxx_without_debug_mode;
struct BROOD_API libstdcxx_with_debug_mode; // _GLIBCXX_DEBUG

/// Defined in the library for each setting that it was built with. Never called.
template <class Setting>
BROOD_API void library_built_with();

namespace detail {

constexpr bool differ(char const* left, char const* right) noexcept
{
    while (*left != '\0' && *left == *right) {
        ++left;
        ++right;
    }
    return *left != *right;
}

// The value of a macro's text; `otherwise` if it is no decimal number.
constexpr int to_number(char const* text, int otherwise) noexcept
{
    int number = 0;
    for (auto const* digit = text; *digit != '\0'; ++digit) {
        if (*digit < '0' || *digit > '9')
            return otherwise;
        number = 10 * number + (*digit - '0');
    }
    return *text == '\0' ? otherwise : number;
}

template <bool condition, class Then, class Else>
using choose = std::conditional_t<condition, Then, Else>;

// A variable that nothing reads. `used` keeps it through optimisation, `retain` through the linker's --gc-sections. Its
// name contains the settings, so a program has it once, or once more for each translation unit that differs.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wattributes" // `retain` is unknown where the object format is not ELF
template <class... Settings>
struct references {
    [[gnu::used, gnu::retain, gnu::visibility("hidden")]] static inline void (*functions[])() = {
        &library_built_with<Settings>...};
};
#pragma GCC diagnostic pop

// A defined macro's text is its replacement, an undefined one's its own name. Unlike #ifdef, this yields a constant.
#define BROOD_ABI_STRING(...) #__VA_ARGS__
#define BROOD_ABI_TEXT(...) BROOD_ABI_STRING(__VA_ARGS__)
#define BROOD_ABI_DEFINED(macro) differ(BROOD_ABI_TEXT(macro), #macro)

inline constexpr bool has_debug_mode = BROOD_ABI_DEFINED(_GLIBCXX_DEBUG);
inline constexpr bool has_buffer_debugging =
    BROOD_ABI_DEFINED(BOOST_ASIO_ENABLE_BUFFER_DEBUGGING) ||
    (has_debug_mode && !BROOD_ABI_DEFINED(BOOST_ASIO_DISABLE_BUFFER_DEBUGGING));

// The order of <boost/asio/detail/reactor.hpp>.
using reactor = choose<
    BROOD_ABI_DEFINED(BOOST_ASIO_HAS_IO_URING_AS_DEFAULT), asio_reactor_io_uring,
    choose<
        BROOD_ABI_DEFINED(BOOST_ASIO_HAS_EPOLL), asio_reactor_epoll,
        choose<
            BROOD_ABI_DEFINED(BOOST_ASIO_HAS_KQUEUE), asio_reactor_kqueue,
            choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_DEV_POLL), asio_reactor_dev_poll, asio_reactor_select>>>>;

using handler_tracking = choose<
    BROOD_ABI_DEFINED(BOOST_ASIO_CUSTOM_HANDLER_TRACKING), asio_with_custom_handler_tracking,
    choose<
        BROOD_ABI_DEFINED(BOOST_ASIO_ENABLE_HANDLER_TRACKING), asio_with_handler_tracking,
        asio_without_handler_tracking>>;

using standard_library = choose<
    BROOD_ABI_DEFINED(_LIBCPP_VERSION), libcxx,
    choose<
        to_number(BROOD_ABI_TEXT(_GLIBCXX_USE_CXX11_ABI), 0) == 1, libstdcxx_with_cxx11_strings,
        libstdcxx_with_old_strings>>;

template struct references<
    boost<BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100>, reactor,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HEADER_ONLY), asio_header_only, asio_separately_compiled>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_IO_URING), asio_with_io_uring, asio_without_io_uring>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_THREADS), asio_with_threads, asio_without_threads>,
    choose<
        BROOD_ABI_DEFINED(BOOST_ASIO_HAS_THREAD_KEYWORD_EXTENSION), asio_with_thread_keyword,
        asio_without_thread_keyword>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_EVENTFD), asio_with_eventfd, asio_without_eventfd>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_TIMERFD), asio_with_timerfd, asio_without_timerfd>, handler_tracking,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_NO_TYPEID), asio_without_typeid, asio_with_typeid>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_NO_EXCEPTIONS), asio_without_exceptions, asio_with_exceptions>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_STD_EXCEPTION_PTR), asio_with_exception_ptr, asio_without_exception_ptr>,
    choose<
        BROOD_ABI_DEFINED(BOOST_ASIO_USE_TS_EXECUTOR_AS_DEFAULT), asio_with_ts_executors, asio_with_standard_executors>,
    choose<
        BROOD_ABI_DEFINED(BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING), asio_without_small_block_recycling,
        asio_with_small_block_recycling>,
    asio_recycling_allocator_cache<to_number(BROOD_ABI_TEXT(BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE), 2)>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_HANDLER_HOOKS), asio_with_handler_hooks, asio_without_handler_hooks>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_STD_ATOMIC), asio_with_std_atomic, asio_without_std_atomic>,
    choose<BROOD_ABI_DEFINED(BOOST_ASIO_HAS_STD_SHARED_PTR), asio_with_std_shared_ptr, asio_without_std_shared_ptr>,
    choose<
        BROOD_ABI_DEFINED(BOOST_ASIO_HAS_STD_ALIGNED_ALLOC), asio_with_std_aligned_alloc,
        asio_without_std_aligned_alloc>,
    choose<has_buffer_debugging, asio_with_buffer_debugging, asio_without_buffer_debugging>,
    choose<BROOD_ABI_DEFINED(BOOST_SYSTEM_DISABLE_THREADS), boost_system_without_threads, boost_system_with_threads>,
    choose<BROOD_ABI_DEFINED(BOOST_NO_RTTI), compiled_without_rtti, compiled_with_rtti>, standard_library,
    choose<has_debug_mode, libstdcxx_with_debug_mode, libstdcxx_without_debug_mode>>;

#undef BROOD_ABI_DEFINED
#undef BROOD_ABI_TEXT
#undef BROOD_ABI_STRING

} // namespace detail
} // namespace brood::abi

#endif
