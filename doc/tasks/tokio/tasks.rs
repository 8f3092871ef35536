// Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
//
// The ten tasks of doc/ten-tasks.md with tokio.
use futures::stream::{self, StreamExt};
use std::error::Error;
use std::io::{self, Read, Write};
use std::process::{ExitCode, ExitStatus, Output, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

// Shared by several tasks
fn check(status: ExitStatus) -> io::Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::Other, status.to_string()))
}

// Task 1: run and get the exit status
async fn run(mut command: Command) -> io::Result<ExitStatus> {
    command.status().await
}

// Task 2: capture stdout
async fn capture(mut command: Command) -> io::Result<Vec<u8>> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = child.wait_with_output().await?;
    check(output.status)?;
    Ok(output.stdout)
}

// Task 3: write stdin, capture stdout and stderr
async fn filter(mut command: Command, input: &[u8]) -> io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn()?;
    let mut stdin = child.stdin.take().unwrap();
    let write = async move {
        match stdin.write_all(input).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    };
    let ((), output) = tokio::try_join!(write, child.wait_with_output())?;
    Ok(output)
}

// Task 4: time limit that also ends the grandchildren
async fn run_limited(mut command: Command, limit: Duration) -> io::Result<ExitStatus> {
    let mut child = command.process_group(0).spawn()?;
    let group = child.id().unwrap() as i32;
    match timeout(limit, child.wait()).await {
        Ok(status) => status,
        Err(elapsed) => {
            unsafe { libc::killpg(group, libc::SIGKILL) };
            child.wait().await?;
            Err(elapsed.into())
        }
    }
}

// Task 5: at most N children at a time
async fn run_all(commands: Vec<Command>, limit: usize) -> Vec<io::Result<ExitStatus>> {
    let mut results: Vec<_> = stream::iter(commands.into_iter().enumerate())
        .map(|(index, mut command)| async move { (index, command.status().await) })
        .buffer_unordered(limit)
        .collect()
        .await;
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, status)| status).collect()
}

// Task 6: pipeline of two programs
async fn pipe(mut first: Command, mut second: Command) -> io::Result<Vec<u8>> {
    let mut producer = first.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let source: Stdio = producer.stdout.take().unwrap().try_into()?;
    let consumer = second.stdin(source).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    drop(second); // closes the parent's copy of the pipe
    let output = consumer.wait_with_output().await?;
    let producer_status = producer.wait().await?;
    check(output.status)?;
    check(producer_status)?;
    Ok(output.stdout)
}

// Task 7: output line by line
async fn follow(mut command: Command, on_line: impl Fn(&[u8])) -> io::Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    while let Some(line) = lines.next_segment().await? {
        on_line(&line);
    }
    check(child.wait().await?)
}

// Task 8: stop politely, then kill
async fn stop(child: &mut Child, grace: Duration) -> io::Result<ExitStatus> {
    if let Some(pid) = child.id() {
        unsafe { libc::kill(pid as i32, libc::SIGTERM) };
    }
    match timeout(grace, child.wait()).await {
        Ok(status) => status,
        Err(_) => {
            child.start_kill()?;
            child.wait().await
        }
    }
}

// Task 9: request and reply
async fn talk(mut command: Command, requests: &[String]) -> io::Result<Vec<String>> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut replies = Vec::new();
    for request in requests {
        stdin.write_all(format!("{request}\n").as_bytes()).await?;
        let mut reply = String::new();
        stdout.read_line(&mut reply).await?;
        match reply.strip_suffix('\n') {
            Some(line) => replies.push(line.to_string()),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    drop(stdin);
    stdout.read_to_end(&mut Vec::new()).await?;
    check(child.wait().await?)?;
    Ok(replies)
}

// Task 10: restart after a crash
async fn keep_running(mut command: Command, mut pause: Duration) -> io::Result<()> {
    loop {
        let status = command.status().await?;
        if status.success() {
            return Ok(());
        }
        eprintln!("{status}; next start in {} ms", pause.as_millis());
        sleep(pause).await;
        pause = (2 * pause).min(Duration::from_secs(60));
    }
}

// The command line, for the test

fn to_command(words: &[String]) -> Result<Command, String> {
    let program = words.first().ok_or("usage: tasks TASK ARGUMENT...")?;
    let mut command = Command::new(program);
    command.args(&words[1..]);
    Ok(command)
}

fn shell(line: &String) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(line);
    command
}

fn print_bytes(bytes: &[u8], end: &[u8]) {
    let mut stdout = io::stdout();
    stdout.write_all(bytes).and_then(|()| stdout.write_all(end)).unwrap();
}

/// Errors that are strings are about the arguments.
async fn run_task(task: &str, args: &[String]) -> Result<(), Box<dyn Error>> {
    let number = || args[0].parse().map_err(|error| format!("{}: {error}", args[0]));
    let milliseconds = || number().map(Duration::from_millis);
    match task {
        "run" => println!("{}", run(to_command(args)?).await?),
        "capture" => print_bytes(&capture(to_command(args)?).await?, b""),
        "filter" => {
            let mut input = Vec::new();
            io::stdin().read_to_end(&mut input)?;
            let output = filter(to_command(args)?, &input).await?;
            print_bytes(&output.stdout, b"");
            io::stderr().write_all(&output.stderr)?;
            println!("{}", output.status);
        }
        "run-limited" => println!("{}", run_limited(to_command(&args[1..])?, milliseconds()?).await?),
        "run-all" => {
            for result in run_all(args[1..].iter().map(shell).collect(), number()? as usize).await {
                match result {
                    Ok(status) => println!("{status}"),
                    Err(error) => println!("{error}"),
                }
            }
        }
        "pipe" if args.len() > 1 => print_bytes(&pipe(shell(&args[0]), shell(&args[1])).await?, b""),
        "follow" => follow(to_command(args)?, |line| print_bytes(line, b"\n")).await?,
        "stop" => {
            let grace = milliseconds()?;
            let mut child = to_command(&args[1..])?.spawn()?;
            io::stdin().read_line(&mut String::new())?;
            println!("{}", stop(&mut child, grace).await?);
        }
        "talk" => {
            for reply in talk(shell(&args[0]), &args[1..]).await? {
                println!("{reply}");
            }
        }
        "keep-running" => keep_running(to_command(&args[1..])?, milliseconds()?).await?,
        _ => return Err(format!("no such task: {task}").into()),
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    if args.len() < 3 {
        eprintln!("tasks: usage: tasks TASK ARGUMENT...");
        return ExitCode::from(2);
    }
    match run_task(&args[1], &args[2..]).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tasks: {error}");
            ExitCode::from(if error.is::<io::Error>() { 1 } else { 2 })
        }
    }
}
