// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "os/files.hpp"
#include "spawn/exec_search.hpp"
#include "spawn/exec_strings.hpp"

#include <brood/command.hpp>

namespace brood {

result<std::string> find_program(detail::text_arg name)
{
    command const cmd(std::string_view{name});
    if (auto error = detail::validate(cmd.data()); error.failed())
        return error;
    auto const candidates = detail::program_candidates(cmd.program(), detail::capture_environment(cmd.data().env));
    int failure = 0;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        std::string path(candidates[i]);
        int const error = os::exec_error(path.c_str());
        if (error == 0)
            return path;
        failure = detail::pick_exec_error(failure, error);
        if (!detail::continues_search(error))
            break;
    }
    return make_error_code(spawn_stage::exec, failure);
}

} // namespace brood
