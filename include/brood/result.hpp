// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_RESULT_HPP
#define BROOD_RESULT_HPP

#include <brood/detail/export.hpp>
#include <brood/error.hpp>

#include <boost/outcome/basic_result.hpp>

namespace brood {

namespace detail {

[[noreturn]] BROOD_API void throw_system_error(error_code const& error);
[[noreturn]] BROOD_API void throw_no_error();

/// The checks of `value()` and `error()`.
struct result_policy : boost::outcome_v2::policy::base {
    template <class Result>
    static constexpr void wide_value_check(Result&& self)
    {
        if (!base::_has_value(self))
            throw_system_error(base::_error(self));
    }

    template <class Result>
    static constexpr void wide_error_check(Result&& self)
    {
        if (!base::_has_error(self))
            throw_no_error();
    }

    template <class Result>
    static constexpr void narrow_value_check(Result&&) noexcept
    {}

    template <class Result>
    static constexpr void narrow_error_check(Result&&) noexcept
    {}
};

} // namespace detail

/// A value or an `error_code`: Boost.Outcome's `basic_result`.
/**
 * `value()` of a failed result throws `boost::system::system_error`. `error()` of a successful result throws
 * `std::logic_error`.
 */
template <class T>
using result = boost::outcome_v2::basic_result<T, error_code, detail::result_policy>;

} // namespace brood

#endif
