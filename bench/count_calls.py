#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Counts the system calls of one spawn and await: F8.

count_calls.py BUILD_FOLDER WAY... runs `strace -f -c` over few and over many children: the difference is what one costs,
in the parent, and in the child up to and with its execve. The child's program makes a single call, its exit, which
strace does not count.
"""
import collections
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FEW, MORE = 10, 100


def count(bench, way, children):
    """How often each call was made while that many children were started one after the other."""
    with tempfile.NamedTemporaryFile("r") as table:
        command = [bench / "spawn", "--ways", way, "--rounds", "1", "--batch", str(children), "--in-flight", "1"]
        strace = ["strace", "-f", "-c", "-o", table.name]
        subprocess.run(strace + command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        calls = collections.Counter()
        for line in table:
            parts = line.split()
            if len(parts) >= 5 and parts[3].isdigit() and parts[-1] not in ("total", "exit_group"):
                calls[parts[-1]] += int(parts[3])
        return calls


def main():
    bench = Path(sys.argv[1]) / "bench"
    if not shutil.which("strace"):
        print("strace is not there: system calls are not counted", file=sys.stderr)
        return
    for way in sys.argv[2:]:
        few, many = count(bench, way, FEW), count(bench, way, FEW + MORE)
        for call in sorted(many):
            if (each := (many[call] - few[call]) / MORE) >= 0.005:
                print("calls", 1, way, call, f"{each:.6g}", sep="\t")


try:
    main()
except subprocess.CalledProcessError as failed:
    print(f"system calls are not counted: {failed}", file=sys.stderr)
