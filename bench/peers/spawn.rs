// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

//! Rust's standard library. Arguments: PROGRAM COUNT IN_FLIGHT.
//!
//! Runs PROGRAM COUNT times, at most IN_FLIGHT children at a time, and prints the microseconds per child.
use std::collections::VecDeque;
use std::process::{Child, Command};
use std::time::Instant;

fn wait(mut child: Child) {
    assert!(child.wait().expect("wait").success());
}

fn run(program: &str, count: usize, in_flight: usize) {
    let mut running = VecDeque::new();
    for _ in 0..count {
        if running.len() == in_flight {
            wait(running.pop_front().unwrap());
        }
        running.push_back(Command::new(program).spawn().expect("spawn"));
    }
    running.into_iter().for_each(wait);
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (count, in_flight) = (args[2].parse().unwrap(), args[3].parse().unwrap());
    run(&args[1], in_flight + 2, in_flight);
    let start = Instant::now();
    run(&args[1], count, in_flight);
    println!("{}", start.elapsed().as_secs_f64() * 1e6 / count as f64);
}
