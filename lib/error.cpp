// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#include <brood/error.hpp>
#include <brood/result.hpp>

#include <boost/system/system_error.hpp>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>

namespace brood {
namespace {

using boost::system::error_category;
using boost::system::error_condition;

struct stage_text {
    char const* category;
    std::string_view words;
};

// In the order of spawn_stage.
constexpr std::array stage_texts{
    stage_text{"brood.prepare", "prepare"},
    stage_text{"brood.pipe", "create pipe"},
    stage_text{"brood.clone", "create process"},
    stage_text{"brood.signals", "set signals"},
    stage_text{"brood.stdio", "set up descriptors"},
    stage_text{"brood.session", "set session or process group"},
    stage_text{"brood.terminal", "set up terminal"},
    stage_text{"brood.credentials", "change credentials"},
    stage_text{"brood.limits", "set limits"},
    stage_text{"brood.cgroup", "enter cgroup"},
    stage_text{"brood.namespaces", "create namespaces"},
    stage_text{"brood.root", "change root"},
    stage_text{"brood.directory", "change directory"},
    stage_text{"brood.hook", "run pre_exec"},
    stage_text{"brood.seccomp", "install seccomp filter"},
    stage_text{"brood.exec", "execute program"},
};
static_assert(stage_texts.size() == static_cast<std::size_t>(spawn_stage::exec) + 1);

class stage_category final : public error_category {
public:
    explicit constexpr stage_category(spawn_stage stage) noexcept : stage_(stage) {}

    spawn_stage stage() const noexcept { return stage_; }

    char const* name() const noexcept override { return text().category; }

    std::string message(int value) const override
    {
        return std::string(text().words) + ": " + boost::system::generic_category().message(value);
    }

    error_condition default_error_condition(int value) const noexcept override
    {
        return {value, boost::system::generic_category()};
    }

private:
    stage_text const& text() const noexcept { return stage_texts[static_cast<std::size_t>(stage_)]; }

    spawn_stage stage_;
};

template <std::size_t... I>
auto const& all_stages(std::index_sequence<I...>) noexcept
{
    static stage_category const categories[] = {stage_category(static_cast<spawn_stage>(I))...};
    return categories;
}

auto const& all_stages() noexcept { return all_stages(std::make_index_sequence<stage_texts.size()>()); }

class library_category final : public error_category {
public:
    char const* name() const noexcept override { return "brood"; }

    std::string message(int value) const override
    {
        switch (static_cast<errc>(value)) {
        case errc::nul_byte: return "a string for the child contains a NUL byte";
        case errc::empty_program: return "program name is empty";
        case errc::invalid_environment_key: return "environment key is empty or contains '='";
        case errc::status_lost: return "exit status not available: other code may have reaped the process";
        case errc::output_limit_exceeded: return "output limit exceeded";
        case errc::output_incomplete: return "output incomplete: a descendant of the child holds the stream open";
        case errc::timed_out: return "timed out";
        case errc::unexpected_pipe:
            return "a stream is piped, or a terminal, and the operation does not use its other end";
        case errc::inexpressible: return "a setting of the command has no form in a shell line or behind a launcher";
        }
        return "unknown error";
    }

    error_condition default_error_condition(int value) const noexcept override
    {
        namespace sys = boost::system::errc;
        switch (static_cast<errc>(value)) {
        case errc::nul_byte:
        case errc::empty_program:
        case errc::invalid_environment_key:
        case errc::unexpected_pipe: return sys::make_error_condition(sys::invalid_argument);
        case errc::timed_out: return sys::make_error_condition(sys::timed_out);
        case errc::inexpressible: return sys::make_error_condition(sys::not_supported);
        default: return {value, *this};
        }
    }
};

} // namespace

namespace detail {

void throw_system_error(error_code const& error) { throw boost::system::system_error(error); }
void throw_no_error() { throw std::logic_error("brood::result: error() of a result that holds a value"); }

} // namespace detail

error_category const& brood_category() noexcept
{
    static library_category const category;
    return category;
}

error_category const& spawn_category(spawn_stage stage) noexcept
{
    return all_stages()[static_cast<std::size_t>(stage)];
}

std::optional<spawn_stage> stage_of(error_code const& ec) noexcept
{
    for (auto const& category : all_stages())
        if (ec.category() == category)
            return category.stage();
    return std::nullopt;
}

std::string_view to_string(spawn_stage stage) noexcept { return stage_texts[static_cast<std::size_t>(stage)].words; }

} // namespace brood
