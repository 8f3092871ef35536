// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#ifndef BROOD_EXAMPLE_SERVICE_CONFIG_HPP
#define BROOD_EXAMPLE_SERVICE_CONFIG_HPP

#include <brood/command.hpp>

#include <boost/property_tree/ini_parser.hpp>

#include <stdexcept>
#include <string>
#include <vector>

/// A service of a configuration file.
struct service_config {
    std::string name;
    brood::command cmd;
    int ready_fd; // 0: none
};

/// Reads a configuration file: a section for each service.
inline std::vector<service_config> read_config(std::string const& file)
{
    boost::property_tree::ptree sections;
    boost::property_tree::read_ini(file, sections);
    std::vector<service_config> services;
    for (auto const& [name, lines] : sections) {
        auto cmd = brood::command::shell("exec " + lines.get("command", ""));
        cmd.in(brood::stdio::null()).out(brood::stdio::piped()).err(brood::stdio::same_as(1));
        cmd.process_group(); // does not receive the terminal's ^C
        auto const ready_fd = lines.get("ready", 0);
        for (auto const& [key, value] : lines)
            if (key == "directory")
                cmd.current_dir(value.data());
            else if (key == "ready" && ready_fd > 2)
                cmd.fd(ready_fd, brood::stdio::piped());
            else if (key != "command")
                throw std::runtime_error(file + ": " + name + ": invalid line: " + key + " = " + value.data());
        if (!lines.count("command"))
            throw std::runtime_error(file + ": " + name + " has no command");
        services.push_back({name, cmd, ready_fd});
    }
    if (services.empty())
        throw std::runtime_error(file + ": no services");
    return services;
}

#endif
