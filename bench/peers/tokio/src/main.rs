// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)

//! tokio on one thread. Arguments: PROGRAM COUNT IN_FLIGHT.
//!
//! Runs PROGRAM COUNT times, at most IN_FLIGHT children at a time, and prints the microseconds per child.
use std::time::Instant;
use tokio::process::Command;

async fn run_sequentially(program: String, count: usize) {
    for _ in 0..count {
        assert!(Command::new(&program).status().await.expect("spawn").success());
    }
}

async fn run(program: &str, count: usize, in_flight: usize) {
    let share = |i| count / in_flight + usize::from(i < count % in_flight);
    let tasks: Vec<_> =
        (0..in_flight).map(|i| tokio::spawn(run_sequentially(program.to_string(), share(i)))).collect();
    for task in tasks {
        task.await.expect("task");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    let (count, in_flight) = (args[2].parse().unwrap(), args[3].parse().unwrap());
    run(&args[1], in_flight + 2, in_flight).await;
    let start = Instant::now();
    run(&args[1], count, in_flight).await;
    println!("{}", start.elapsed().as_secs_f64() * 1e6 / count as f64);
}
