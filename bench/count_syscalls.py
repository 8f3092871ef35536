#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Counts the system calls of one spawn and wait: F8.

Usage: count_syscalls.py BUILD_DIR SPAWNER...

It runs `strace -f -c` with a small and a large number of children. The difference is the cost of the additional
children: the calls of the parent, and those of the child up to its execve. The child's program only calls exit_group,
which is not counted.
"""
import collections
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BASE, ADDITIONAL = 10, 100


def count_syscalls(programs, spawner, children):
    """The number of calls by name, for children that run one after the other."""
    with tempfile.NamedTemporaryFile("r") as table:
        command = [programs / "spawn", "--spawners", spawner, "--rounds", "1", "--batch", str(children),
                   "--in-flight", "1"]
        strace = ["strace", "-f", "-c", "-o", table.name]
        subprocess.run(strace + command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        counts = collections.Counter()
        for line in table:
            fields = line.split()
            if len(fields) >= 5 and fields[3].isdigit() and fields[-1] not in ("total", "exit_group"):
                counts[fields[-1]] += int(fields[3])
        return counts


def main():
    programs = Path(sys.argv[1]) / "bench"
    if not shutil.which("strace"):
        print("strace is not installed: system calls are not counted", file=sys.stderr)
        return
    for spawner in sys.argv[2:]:
        base = count_syscalls(programs, spawner, BASE)
        total = count_syscalls(programs, spawner, BASE + ADDITIONAL)
        for call in sorted(total):
            if (per_child := (total[call] - base[call]) / ADDITIONAL) >= 0.005:
                print("syscalls", 1, spawner, call, f"{per_child:.6g}", sep="\t")


try:
    main()
except subprocess.CalledProcessError as error:
    print(f"system calls are not counted: {error}", file=sys.stderr)
