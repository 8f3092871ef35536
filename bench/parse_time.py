#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Measures what brood's headers add to the time of compiling a file that already includes Asio: F9.

parse_time.py [ROUNDS] runs the compiler ($CXX, else c++) with -fsyntax-only over each file in turn.
"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

INCLUDE = Path(__file__).resolve().parent.parent / "include"
ASIO = "#include <boost/asio/awaitable.hpp>\n#include <boost/asio/io_context.hpp>\n"
FILES = {
    "Asio": ASIO,
    "brood/child.hpp": ASIO + "#include <brood/child.hpp>\n",
    "brood.hpp": ASIO + "#include <brood.hpp>\n",
}


def parse(source):
    flags = os.environ.get("CPPFLAGS", "").split()
    start = time.perf_counter()
    subprocess.run([*os.environ.get("CXX", "c++").split(), "-std=c++20", *flags, "-I", INCLUDE, "-fsyntax-only", source],
                   check=True)
    return time.perf_counter() - start


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    times = {name: [] for name in FILES}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, text in FILES.items():
                source = Path(folder) / "parsed.cpp"
                source.write_text(text)
                times[name].append(parse(source))
    for name, values in times.items():
        added = statistics.median(value - asio for value, asio in zip(values, times["Asio"]))
        print("parse", rounds, name, "s", f"{statistics.median(values):.6g}", sep="\t")
        print("parse", rounds, name, "added", f"{added:.6g}", sep="\t")


main()
