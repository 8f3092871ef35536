// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_RUN_RESULT_HPP
#define BROOD_LIB_IO_RUN_RESULT_HPP

#include <brood/pipeline.hpp>

#include <utility>
#include <vector>

namespace brood::detail {

/// What is told of a run, made from all there is; the operations on commands have one child.
template <class Value>
Value told(pipeline_output all);

template <>
inline exit_status told(pipeline_output all)
{
    return all.statuses.front();
}

template <>
inline std::vector<exit_status> told(pipeline_output all)
{
    return std::move(all.statuses);
}

template <>
inline output told(pipeline_output all)
{
    return {all.statuses.front(), std::move(all.out), std::move(all.err), all.truncated};
}

template <>
inline pipeline_output told(pipeline_output all)
{
    return all;
}

} // namespace brood::detail

#endif
