// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>

#include <future>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

namespace asio = boost::asio;

namespace {

//! [callback]
void start_backup(asio::io_context& context)
{
    brood::async_run(context, brood::command("true"), [](brood::error_code error, brood::exit_status status) {
        if (error)
            std::cerr << error.message() << '\n';
        else
            std::cout << "callback: " << status << '\n';
    });
}
//! [callback]

//! [pool]
// Several threads run the pool. The children's exits and outputs are handled by whichever of them is free.
std::vector<std::string> run_in_pool(asio::thread_pool& pool, std::vector<brood::command> const& commands)
{
    std::vector<std::future<brood::output>> pending;
    for (auto const& command : commands)
        pending.push_back(brood::async_output(pool, command, asio::use_future));
    std::vector<std::string> texts;
    for (auto& each : pending)
        texts.push_back(each.get().out); // rethrows the operation's error
    return texts;
}
//! [pool]

//! [strand]
// Handlers on a strand never run at the same time: `log` needs no mutex although several threads run the pool.
class logger {
public:
    explicit logger(asio::thread_pool& pool) : strand_(asio::make_strand(pool)) {}

    void run(brood::command command)
    {
        auto options = brood::output_options().on_out_line([this](std::string_view line) { log_.emplace_back(line); });
        brood::async_output(strand_, command, options, [this](brood::error_code error, brood::output) {
            if (error)
                log_.push_back(error.message());
        });
    }

    std::vector<std::string> const& log() const { return log_; }

private:
    asio::strand<asio::thread_pool::executor_type> strand_;
    std::vector<std::string> log_;
};
//! [strand]

} // namespace

int main()
{
    asio::io_context context;
    start_backup(context);
    context.run();

    asio::thread_pool pool(2);
    for (auto const& text : run_in_pool(pool, {brood::command("echo", "one"), brood::command("echo", "two")}))
        std::cout << text;

    logger both(pool);
    both.run(brood::command("seq", "3"));
    both.run(brood::command("seq", "4"));
    pool.join();
    std::cout << both.log().size() << " lines\n";
}
