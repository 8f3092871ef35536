// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include "support/cgroup_folder.hpp"
#include "support/running_group.hpp"
#include "support/survivors.hpp"

#include <boost/asio/strand.hpp>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <functional>
#include <map>
#include <new>
#include <utility>

using namespace brood;
using namespace test;

namespace {

enum class failure { none, once, for_good };

std::atomic<failure> mode = failure::none;
std::atomic<long> remaining = 0;
std::atomic<bool> has_failed = false;

// Makes the allocation after `before` others fail, and those after it if `which` is for_good.
void fail_allocation(long before, failure which)
{
    has_failed = false;
    remaining = before;
    mode = which;
}

void end_failures() { mode = failure::none; }

// Allocations of this thread do not fail.
thread_local bool is_exempt = false;

// The last two allocations of this thread.
thread_local std::size_t previous_size = 0, last_size = 0;

// The first strands of a context also allocate mutexes.
void create_strand_mutexes(asio::io_context& context)
{
    for (int i = 0; i < 2000; ++i)
        (void)asio::make_strand(context);
}

// The other allocations of asio::make_strand. If the second one fails, Asio destroys a strand that is not initialised.
struct strand_sizes {
    std::size_t strand, reference;
};

strand_sizes const& find_strand_sizes()
{
    static strand_sizes const sizes = [] {
        asio::io_context context;
        create_strand_mutexes(context);
        return strand_sizes{previous_size, last_size};
    }();
    return sizes;
}

bool must_fail()
{
    auto const which = mode.load();
    if (which == failure::none || is_exempt)
        return false;
    auto const& strand = find_strand_sizes();
    if (previous_size == strand.strand && last_size == strand.reference)
        return false;
    long const left = remaining--;
    bool const fails = left == 0 || (left < 0 && which == failure::for_good);
    if (fails)
        has_failed = true;
    return fails;
}

void* allocate(std::size_t size)
{
    previous_size = std::exchange(last_size, size);
    if (must_fail())
        throw std::bad_alloc();
    if (void* memory = std::malloc(size))
        return memory;
    throw std::bad_alloc();
}

// Counts the operations that have been initiated and have completed.
struct operations {
    int initiated = 0;
    int completed = 0;

    auto handler()
    {
        ++initiated;
        return [this](auto&&...) { ++completed; };
    }
};

using scenario = std::function<void(asio::io_context&, operations&)>;

command quick(std::string const& action, std::string const& argument = "0")
{
    return command(probe_path(), action, argument).out(stdio::null());
}

command writing() { return command(probe_path(), "write", "1", "text"); }

// The grace period bounds the time of a stop whose next step has been lost to an exception.
group_options few(std::size_t max_running)
{
    return group_options().max_running(max_running).each(output_options().stop(stop_plan(SIGTERM, 100ms)));
}

std::map<std::string, scenario> const scenarios{
    {"spawn and async_wait",
     [](asio::io_context& context, operations& all) {
         auto child = spawn(context, quick("exit"));
         if (child)
             child.value().async_wait(all.handler());
     }},
    {"spawn and async_wait with SIGCHLD",
     [](asio::io_context& context, operations& all) {
         auto child = spawn(context, quick("exit").watcher(exit_watcher::sigchld));
         if (child)
             child.value().async_wait(all.handler());
     }},
    {"a wait with SIGCHLD after one that has failed",
     [](asio::io_context& context, operations& all) {
         std::exception_ptr failed;
         for (int i = 0; i < 2; ++i)
             try {
                 auto child = spawn(context, quick("exit").watcher(exit_watcher::sigchld));
                 if (child)
                     child.value().async_wait(all.handler());
             } catch (std::bad_alloc const&) {
                 failed = std::current_exception();
             }
         if (failed)
             std::rethrow_exception(failed);
     }},
    {"async_spawn",
     [](asio::io_context& context, operations& all) { async_spawn(context, quick("exit"), all.handler()); }},
    {"async_spawn on a thread",
     [](asio::io_context& context, operations& all) {
         async_spawn(context, quick("exit").backend(spawn_backend::fork), all.handler());
     }},
    {"async_stop",
     [](asio::io_context& context, operations& all) {
         auto child = spawn(context, quick("pause"));
         if (child)
             child.value().async_stop(stop_plan(SIGTERM, 100ms), all.handler());
     }},
    {"a dropped and a detached child",
     [](asio::io_context& context, operations&) {
         (void)spawn(context, quick("pause"));
         auto child = spawn(context, quick("exit"));
         if (child)
             child.value().detach();
     }},
    {"async_run", [](asio::io_context& context, operations& all) { async_run(context, quick("exit"), all.handler()); }},
    {"async_output",
     [](asio::io_context& context, operations& all) {
         async_output(
             context, command(probe_path(), "copy"), output_options().input(asio::buffer("some text")), all.handler());
     }},
    {"a pipeline",
     [](asio::io_context& context, operations& all) {
         async_output(context, writing() | command(probe_path(), "copy"), all.handler());
     }},
    {"a group",
     [](asio::io_context& context, operations& all) {
         child_group group(context, few(1));
         group.async_spawn(quick("exit"), all.handler());
         group.async_spawn(quick("exit").in(stdio::fd(2)), all.handler());
         group.async_next(all.handler());
         group.async_wait_all(all.handler()); // the destructor ends the others
     }},
    {"a group that lives",
     [](asio::io_context& context, operations& all) {
         auto const group = std::make_shared<child_group>(context, few(1));
         auto const keeping = [&] { return [group, then = all.handler()](auto&&...) { then(); }; };
         group->async_spawn(writing(), keeping());
         group->async_spawn(quick("exit"), keeping());
         group->async_next(keeping());
         group->async_wait_all(keeping());
     }},
    {"spawn in a group",
     [](asio::io_context& context, operations& all) {
         child_group group(context, few(2));
         (void)group.spawn(quick("exit"));
         (void)group.spawn(quick("pause"));
         group.async_stop(all.handler());
     }},
};

// Returns whether an allocation has failed.
bool run(scenario const& body, long before, failure which)
{
    find_strand_sizes();
    leak_check const leaks;
    operations all;
    bool thrown = false;
    {
        asio::io_context context;
        create_strand_mutexes(context);
        fail_allocation(before, which);
        try {
            body(context, all);
        } catch (std::bad_alloc const&) {
            thrown = true;
        }
        for (bool done = false; !done;) {
            try {
                context.run_for(60s);
                done = true;
            } catch (std::bad_alloc const&) {
                thrown = true;
                end_failures();
            }
        }
        end_failures();
        CHECK(context.stopped());
    }
    bool const failed = has_failed;
    CHECK((thrown || all.completed >= all.initiated));
    CHECK(all.completed <= all.initiated);
    CHECK(eventually([] {
        asio::io_context context;
        (void)spawn(context,
                    command("/nowhere")); // reaps what could not be watched
        return !has_children();
    }));
    return failed;
}

} // namespace

void* operator new(std::size_t size) { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

TEST_SUITE_BEGIN("allocation");

TEST_CASE("allocation: each allocation of an operation may fail")
{
    for (auto const& [name, body] : scenarios)
        SUBCASE(name.c_str())
        {
            for (auto which : {failure::once, failure::for_good}) {
                CAPTURE(static_cast<int>(which));
                bool failed = true;
                for (long before = 0; failed; ++before) {
                    CAPTURE(before);
                    failed = run(body, before, which);
                }
            }
        }
}

TEST_CASE(
    "allocation: what a contained child leaves ends although each allocation of the library's thread may fail" *
    needs_threads())
{
    if (!contains_by_cgroup()) {
        MESSAGE("skipped: children have no cgroup here");
        return;
    }
    (void)find_strand_sizes();
    is_exempt = true;
    asio::io_context context;
    for (auto which : {failure::once, failure::for_good}) {
        CAPTURE(static_cast<int>(which));
        bool failed = true;
        for (long before = 0; failed; ++before) {
            CAPTURE(before);
            mark const marked;
            auto cmd = command::shell("setsid sleep 1000 & sleep 0.1"); // the thread watches it before it ends
            auto child = spawn(context, marked.put_on(cmd.contained())).value();
            fail_allocation(before, which);
            CHECK(marked.disappears()); // nothing waits
            end_failures();
            failed = has_failed;
            CHECK(child.wait().value().success());
        }
    }
    is_exempt = false;
}

TEST_SUITE_END();
