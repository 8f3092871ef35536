// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_DETAIL_TEXT_HPP
#define BROOD_DETAIL_TEXT_HPP

#include <concepts>
#include <iterator>
#include <string_view>
#include <type_traits>
#include <utility>

namespace brood::detail {

template <class T>
concept string_like = std::convertible_to<T const&, std::string_view>;

/// `std::filesystem::path`, whose header takes long to compile.
template <class T>
concept path_like = requires(T const& path)
{
    {
        path.native()
        } -> std::convertible_to<std::string_view>;
};

template <class T>
concept text = string_like<T> || path_like<T>;

/// A string parameter: anything convertible to `std::string_view`, or a `std::filesystem::path`.
class text_arg {
public:
    template <string_like T>
    text_arg(T const& string) : view_(string)
    {}

    template <path_like T>
        requires(!string_like<T>)
    text_arg(T const& path) : view_(path.native()) {}

    operator std::string_view() const noexcept { return view_; }

private:
    std::string_view view_;
};

/// What a range-based for loop accepts. `std::ranges::input_range` is in a header that takes long to compile.
template <class T>
concept range = requires(T& values)
{
    {
        std::begin(values)
        } -> std::input_iterator;
    std::end(values);
};

template <range T>
using range_value = std::iter_value_t<decltype(std::begin(std::declval<T&>()))>;

template <class T>
concept text_range = !text<std::remove_cvref_t<T>> && range<T> && text<range_value<T>>;

template <class T>
concept text_pair = requires(T const& pair)
{
    text_arg(std::get<0>(pair));
    text_arg(std::get<1>(pair));
};

/// A range of keys and values, such as a `std::map`.
template <class T>
concept text_pair_range = range<T> && text_pair<range_value<T>>;

} // namespace brood::detail

#endif
