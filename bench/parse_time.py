#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Measures the parse time that brood's headers add to a file that already includes Asio: F9.

Usage: parse_time.py [ROUNDS]

Each round runs the compiler ($CXX, else c++) with -fsyntax-only on every source.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INCLUDE_DIR = Path(__file__).resolve().parent.parent / "include"
ASIO = "#include <boost/asio/awaitable.hpp>\n#include <boost/asio/io_context.hpp>\n"
SOURCES = {
    "Asio": ASIO,
    "brood/child.hpp": ASIO + "#include <brood/child.hpp>\n",
    "brood.hpp": ASIO + "#include <brood.hpp>\n",
}


def parse(path):
    """Parses a file and returns the seconds."""
    compiler = os.environ.get("CXX", "c++").split()
    flags = os.environ.get("CPPFLAGS", "").split()
    start = time.perf_counter()
    subprocess.run([*compiler, "-std=c++20", *flags, "-I", INCLUDE_DIR, "-fsyntax-only", path], check=True)
    return time.perf_counter() - start


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times = {name: [] for name in SOURCES}
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(rounds):
            for name, text in SOURCES.items():
                path = Path(directory) / "source.cpp"
                path.write_text(text)
                times[name].append(parse(path))
    for name, values in times.items():
        added = statistics.median(value - asio for value, asio in zip(values, times["Asio"]))
        print("parse", rounds, name, "s", f"{statistics.median(values):.6g}", sep="\t")
        print("parse", rounds, name, "added", f"{added:.6g}", sep="\t")


main()
