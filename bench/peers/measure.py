#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Measures how other languages start children: F1 and F2, in turn with the floor, each in a process of its own.

measure.py BUILD_FOLDER [--rounds N] [--batch N] writes results as the other benchmarks do. A peer whose toolchain is
not there is told as missing; nothing is installed for it.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOOLS = os.pathsep.join([os.environ.get("PATH", ""), str(Path.home() / ".cargo/bin"), "/usr/local/go/bin"])
DEBIAN_CRATES = Path("/usr/share/cargo/registry")


def tool(name):
    """Its path; none of what it would need to be found is to be installed."""
    return shutil.which(name, path=TOOLS)


def build(command, **environment):
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "PATH": TOOLS, **environment})


def rust(folder):
    if not tool("rustc"):
        return None
    build([tool("rustc"), "-O", "-o", folder / "rust", HERE / "spawn.rs"])
    return [folder / "rust"]


def tokio(folder):
    if not tool("cargo") or not list(DEBIAN_CRATES.glob("tokio-1*")):
        return None
    crates = ["source.crates-io.replace-with='debian'", f"source.debian.directory='{DEBIAN_CRATES}'"]
    shutil.copytree(HERE / "tokio", folder / "tokio", dirs_exist_ok=True)  # for the lock file that cargo writes
    build(
        [tool("cargo"), "build", "--release", "--offline", "--quiet", "--manifest-path", folder / "tokio/Cargo.toml"]
        + [part for config in crates for part in ("--config", config)],
        CARGO_TARGET_DIR=str(folder / "tokio/target"),
    )
    return [folder / "tokio/target/release/spawn"]


def go(folder):
    if not tool("go"):
        return None
    build([tool("go"), "build", "-o", folder / "go", HERE / "spawn.go"], GOCACHE=str(folder / "go-cache"))
    return [folder / "go"]


def node(_):
    return [tool("node"), HERE / "spawn.js"] if tool("node") else None


def python(script):
    return lambda _: [sys.executable, HERE / script]


PEERS = {
    "Rust std": rust,
    "tokio": tokio,
    "Go": go,
    "Python subprocess": python("spawn_subprocess.py"),
    "Python asyncio": python("spawn_asyncio.py"),
    "Node": node,
}


def last_number(command):
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def floor_time(bench, in_flight, batch):
    command = [bench / "spawn", "--ways", "floor", "--rounds", "1", "--batch", str(batch), "--in-flight", str(in_flight)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(float(line.split("\t")[4]) for line in lines if line.split("\t")[3] == "us")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=300)
    options = parser.parse_args()
    bench = options.build.resolve() / "bench"
    folder = options.build.resolve() / "peers"
    folder.mkdir(exist_ok=True)

    commands = {}
    for name, make in PEERS.items():
        try:
            command = make(folder)
        except subprocess.CalledProcessError as failed:
            print(f"{name}: {failed}", file=sys.stderr)
            command = None
        if command:
            commands[name] = command
        else:
            print("peers", 0, name, "missing", 1, sep="\t")

    for in_flight in (1, 32):
        times = {name: [] for name in ["floor", *commands]}
        for _ in range(options.rounds):
            times["floor"].append(floor_time(bench, in_flight, options.batch))
            for name, command in commands.items():
                arguments = [bench / "exit_child", str(options.batch), str(in_flight)]
                times[name].append(last_number([*command, *arguments]))
        for name, values in times.items():
            ratio = statistics.median(value / floor for value, floor in zip(values, times["floor"]))
            print("peers", in_flight, name, "us", f"{statistics.median(values):.6g}", sep="\t")
            print("peers", in_flight, name, "ratio", f"{ratio:.6g}", sep="\t")


main()
