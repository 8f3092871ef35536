// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_LIB_IO_RUN_CHILDREN_HPP
#define BROOD_LIB_IO_RUN_CHILDREN_HPP

#include <brood/pipeline.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace brood::detail {

/// Calls what makes Asio objects; the context's reactor is made on first use.
template <class Function>
error_code registered(Function make)
{
    try {
        make();
        return {};
    } catch (boost::system::system_error const& failed) {
        return make_error_code(spawn_stage::pipe, failed.code().value());
    }
}

/// A command's child, or those of a pipeline's stages in their order.
class run_children {
public:
    explicit run_children(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    /// `open_streams` takes the parent's ends of a child that is about to be made.
    template <class Function>
    error_code spawn(command const& cmd, Function const& open_streams)
    {
        auto prepared = prepared_spawn::make(executor_, cmd);
        if (!prepared)
            return prepared.error();
        // Registered before there is a child: nothing that can fail comes after.
        if (auto ec = registered([&] { open_streams(prepared.value()); }); ec.failed())
            return ec;
        auto handle = prepared.value().start(nullptr);
        if (!handle)
            return handle.error();
        children_.emplace_back(executor_, std::move(handle).value());
        joined_.push_back(cmd.data().process_group.value_or(0));
        return {};
    }

    template <class Function>
    error_code spawn(pipeline const& line, Function const& open_streams)
    {
        auto const ec = spawn_stages(line, [&](command const& stage) -> result<pid_t> {
            if (auto failed = spawn(stage, open_streams); failed.failed())
                return failed;
            return children_.back().id();
        });
        if (ec.failed())
            end_now(children_);
        return ec;
    }

    std::vector<child>& all() noexcept { return children_; }

    /// Signals each once: one that has joined the group of another one is reached with that, while that runs.
    void signal(int number)
    {
        std::vector<pid_t> reached;
        for (std::size_t i = 0; i < children_.size(); ++i)
            if (std::find(reached.begin(), reached.end(), joined_[i]) == reached.end())
                if (children_[i].signal_group(number))
                    reached.push_back(children_[i].id()); // those that join it come later
    }

private:
    asio::any_io_executor executor_;
    std::vector<child> children_;
    std::vector<pid_t> joined_; // the leader of the group that each was to join; 0: none
};

} // namespace brood::detail

#endif
