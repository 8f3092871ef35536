// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_RUN_RUN_RESULT_HPP
#define BROOD_LIB_RUN_RUN_RESULT_HPP

#include <brood/child_group.hpp>
#include <brood/pipeline.hpp>

#include <utility>
#include <vector>

namespace brood::detail {

/// Everything that a run can report.
using run_result = pipeline_output;

/// Converts the result to the value of an operation. The operations on commands have one child.
template <class Value>
Value to_value(run_result all);

template <>
inline exit_status to_value(run_result all)
{
    return all.statuses.front();
}

template <>
inline std::vector<exit_status> to_value(run_result all)
{
    return std::move(all.statuses);
}

template <>
inline output to_value(run_result all)
{
    return {all.statuses.front(), std::move(all.out), std::move(all.err), all.truncated, all.usage,
            all.elapsed,          all.tree_usage,     all.out_of_memory};
}

template <>
inline pipeline_output to_value(run_result all)
{
    return all;
}

template <>
inline group_result to_value(run_result all)
{
    return {{}, to_value<output>(std::move(all))};
}

} // namespace brood::detail

#endif
