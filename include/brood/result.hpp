// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_RESULT_HPP
#define BROOD_RESULT_HPP

#include <brood/error.hpp>

#include <boost/outcome/result.hpp>

namespace brood {

/// A value or an `error_code`. `value()` throws `boost::system::system_error` where there is none.
template <class T>
using result = boost::outcome_v2::result<T>;

} // namespace brood

#endif
