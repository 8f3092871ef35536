// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
// expect: conversion from .*result<
#include <brood/spawn.hpp>

#include <boost/asio/io_context.hpp>

void start(boost::asio::io_context& context) { brood::child child = brood::spawn(context, brood::command("true")); }
