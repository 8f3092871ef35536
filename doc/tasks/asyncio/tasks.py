#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
#
# The ten tasks of doc/ten-tasks.md with asyncio.
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from asyncio import create_subprocess_exec
from subprocess import DEVNULL, PIPE


# Shared by several tasks
def check(process, command):
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)


# Task 1: run and get the exit status
async def run(command):
    process = await create_subprocess_exec(*command)
    return await process.wait()


# Task 2: capture stdout
async def capture(command):
    process = await create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE)
    out, _ = await process.communicate()
    check(process, command)
    return out


# Task 3: write stdin, capture stdout and stderr
async def filter_text(command, text):
    process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    out, err = await process.communicate(text)
    return process.returncode, out, err


# Task 4: time limit that also ends the grandchildren
async def run_limited(command, limit):
    process = await create_subprocess_exec(*command, process_group=0)
    try:
        return await asyncio.wait_for(process.wait(), limit)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        raise


# Task 5: at most N children at a time
async def run_all(commands, limit):
    slots = asyncio.Semaphore(limit)

    async def run_one(command):
        async with slots:
            process = await create_subprocess_exec(*command)
            return await process.wait()

    return await asyncio.gather(*map(run_one, commands), return_exceptions=True)


# Task 6: pipeline of two programs
async def pipe(first, second):
    source, sink = os.pipe()
    with open(source, "rb") as source:
        with open(sink, "wb") as sink:
            producer = await create_subprocess_exec(*first, stdin=DEVNULL, stdout=sink)
        try:
            consumer = await create_subprocess_exec(*second, stdin=source, stdout=PIPE)
        except OSError:
            producer.kill()
            await producer.wait()
            raise
    out, _ = await consumer.communicate()
    await producer.wait()
    check(consumer, second)
    check(producer, first)
    return out


# Task 7: output line by line
async def follow(command, on_line):
    process = await create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE)
    try:
        async for line in process.stdout:
            on_line(line.removesuffix(b"\n"))
    except ValueError:  # longer than 64 KiB
        process.kill()
        await process.communicate()
        raise
    await process.wait()
    check(process, command)


# Task 8: stop politely, then kill
async def stop(process, grace):
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        return await asyncio.wait_for(process.wait(), grace)
    except TimeoutError:
        process.kill()
        return await process.wait()


# Task 9: request and reply
async def talk(command, requests):
    process = await create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    replies = []
    try:
        for request in requests:
            process.stdin.write(request + b"\n")
            await process.stdin.drain()
            reply = await process.stdout.readuntil(b"\n")
            replies.append(reply[:-1])
    except (OSError, EOFError, asyncio.LimitOverrunError):
        process.kill()
        await process.communicate()
        raise
    process.stdin.close()
    await process.communicate()
    check(process, command)
    return replies


# Task 10: restart after a crash
async def keep_running(command, pause):
    while True:
        process = await create_subprocess_exec(*command)
        status = await process.wait()
        if status == 0:
            return
        print(f"exit code {status}; next start in {round(1000 * pause)} ms", file=sys.stderr)
        await asyncio.sleep(pause)
        pause = min(2 * pause, 60)


# The command line, for the test


def print_line(line):
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def shell(line):
    return ["sh", "-c", line]


def to_seconds(milliseconds):
    return int(milliseconds) / 1000


async def run_task(task, *args):
    match task:
        case "run":
            print(await run(args))
        case "capture":
            sys.stdout.buffer.write(await capture(args))
        case "filter":
            status, out, err = await filter_text(args, sys.stdin.buffer.read())
            sys.stdout.buffer.write(out)
            sys.stderr.buffer.write(err)
            print(status)
        case "run-limited":
            print(await run_limited(args[1:], to_seconds(args[0])))
        case "run-all":
            for status in await run_all(map(shell, args[1:]), int(args[0])):
                print(status)
        case "pipe":
            sys.stdout.buffer.write(await pipe(shell(args[0]), shell(args[1])))
        case "follow":
            await follow(args, print_line)
        case "stop":
            process = await create_subprocess_exec(*args[1:])
            sys.stdin.readline()
            print(await stop(process, to_seconds(args[0])))
        case "talk":
            for reply in await talk(shell(args[0]), [request.encode() for request in args[1:]]):
                print_line(reply)
        case "keep-running":
            await keep_running(args[1:], to_seconds(args[0]))
        case _:
            raise IndexError(f"no such task: {task}")


if len(sys.argv) < 3:
    print("tasks: usage: tasks TASK ARGUMENT...", file=sys.stderr)
    sys.exit(2)
try:
    asyncio.run(run_task(*sys.argv[1:]))
except (OSError, EOFError, asyncio.LimitOverrunError, subprocess.CalledProcessError) as error:
    print(f"tasks: {error or 'timed out'}", file=sys.stderr)
    sys.exit(1)
except (ValueError, IndexError, TypeError) as error:
    print(f"tasks: {error}", file=sys.stderr)
    sys.exit(2)
