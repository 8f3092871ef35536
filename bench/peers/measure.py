#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Measures how other languages spawn children: F1 and F2. Each peer is a process of its own.

The peers and the floor run in turn. The results have the format of the other benchmarks. A peer without an installed
toolchain is reported as missing; nothing is installed.
"""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

SOURCE_DIR = Path(__file__).resolve().parent
TOOL_PATH = os.pathsep.join([os.environ.get("PATH", ""), str(Path.home() / ".cargo/bin"), "/usr/local/go/bin"])
DEBIAN_CRATES = Path("/usr/share/cargo/registry")


def find_tool(name):
    return shutil.which(name, path=TOOL_PATH)


def build(command, **environment):
    subprocess.run(command, check=True, stdout=sys.stderr, env={**os.environ, "PATH": TOOL_PATH, **environment})


# Each function builds a peer in a directory. It returns the command to run, or None if the toolchain is missing.


def build_rust(directory):
    if not find_tool("rustc"):
        return None
    build([find_tool("rustc"), "-O", "-o", directory / "rust", SOURCE_DIR / "spawn.rs"])
    return [directory / "rust"]


def build_tokio(directory):
    if not find_tool("cargo") or not list(DEBIAN_CRATES.glob("tokio-1*")):
        return None
    settings = ["source.crates-io.replace-with='debian'", f"source.debian.directory='{DEBIAN_CRATES}'"]
    project = directory / "tokio"
    shutil.copytree(SOURCE_DIR / "tokio", project, dirs_exist_ok=True)  # cargo writes a lock file there
    build(
        [find_tool("cargo"), "build", "--release", "--offline", "--quiet", "--manifest-path", project / "Cargo.toml"]
        + [argument for setting in settings for argument in ("--config", setting)],
        CARGO_TARGET_DIR=str(project / "target"),
    )
    return [project / "target/release/spawn"]


def build_go(directory):
    if not find_tool("go"):
        return None
    build([find_tool("go"), "build", "-o", directory / "go", SOURCE_DIR / "spawn.go"],
          GOCACHE=str(directory / "go-cache"))
    return [directory / "go"]


def build_node(_):
    return [find_tool("node"), SOURCE_DIR / "spawn.js"] if find_tool("node") else None


def python_script(name):
    return lambda _: [sys.executable, SOURCE_DIR / name]


PEERS = {
    "Rust std": build_rust,
    "tokio": build_tokio,
    "Go": build_go,
    "Python subprocess": python_script("spawn_subprocess.py"),
    "Python asyncio": python_script("spawn_asyncio.py"),
    "Node": build_node,
}


def build_peers(directory):
    """The commands of the peers by name. Prints the missing ones."""
    commands = {}
    for name, build_peer in PEERS.items():
        try:
            command = build_peer(directory)
        except subprocess.CalledProcessError as error:
            print(f"{name}: {error}", file=sys.stderr)
            command = None
        if command:
            commands[name] = command
        else:
            print("peers", 0, name, "missing", 1, sep="\t")
    return commands


def peer_time(command):
    """Runs a peer. Returns the microseconds per child, which it prints last."""
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def floor_time(programs, in_flight, batch):
    """The microseconds per child of the floor."""
    command = [programs / "spawn", "--spawners", "floor", "--rounds", "1", "--batch", str(batch),
               "--in-flight", str(in_flight)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return next(float(line.split("\t")[4]) for line in lines if line.split("\t")[3] == "us")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build_dir", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=300)
    options = parser.parse_args()
    programs = options.build_dir.resolve() / "bench"
    peer_dir = options.build_dir.resolve() / "peers"
    peer_dir.mkdir(exist_ok=True)
    commands = build_peers(peer_dir)

    for in_flight in (1, 32):
        times = {name: [] for name in ["floor", *commands]}
        for _ in range(options.rounds):
            times["floor"].append(floor_time(programs, in_flight, options.batch))
            for name, command in commands.items():
                arguments = [programs / "exit_child", str(options.batch), str(in_flight)]
                times[name].append(peer_time([*command, *arguments]))
        for name, values in times.items():
            ratio = statistics.median(value / floor for value, floor in zip(values, times["floor"]))
            print("peers", in_flight, name, "us", f"{statistics.median(values):.6g}", sep="\t")
            print("peers", in_flight, name, "ratio", f"{ratio:.6g}", sep="\t")


main()
