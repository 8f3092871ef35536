#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Compares example/parallel with xargs and GNU parallel: F10.

Usage: parallel.py BUILD [--inputs N] [--rounds N]

Each runs a program once for each input, two at a time: true, and sha256sum with each header of the system. They run in
turn, with the same inputs. GNU parallel gets a tenth of the inputs, because it takes milliseconds for each.
"""
import argparse
import shutil
import statistics
import subprocess
import time
from pathlib import Path

JOBS = 2


def headers():
    files = sorted(str(path) for path in Path("/usr/include").rglob("*.h") if path.is_file())
    return [path for path in files if not set(path) & set(" '\"\\\n")]


def contenders(build):
    found = {"xargs": ["xargs", f"-P{JOBS}", "-n1"], "brood parallel": [build / "bench/parallel", f"-j{JOBS}"]}
    if shutil.which("parallel") and b"GNU" in subprocess.run(["parallel", "--version"], capture_output=True).stdout:
        found["GNU parallel"] = ["parallel", "--will-cite", f"-j{JOBS}"]
    return found


def inputs_per_second(command, inputs):
    text = "".join(each + "\n" for each in inputs).encode()
    start = time.perf_counter()
    subprocess.run(command, input=text, stdout=subprocess.DEVNULL, check=True)
    return len(inputs) / (time.perf_counter() - start)


def measure(experiment, programs, command, inputs, rounds):
    rates = {name: [] for name in programs}
    for _ in range(rounds):
        for name, program in programs.items():
            some = inputs[::10] if name == "GNU parallel" else inputs
            rates[name].append(inputs_per_second([*program, *command], some))
    for name, values in rates.items():
        ratio = statistics.median(value / other for value, other in zip(values, rates["xargs"]))
        print(experiment, JOBS, name, "rate", f"{statistics.median(values):.6g}", sep="\t")
        print(experiment, JOBS, name, "ratio", f"{ratio:.6g}", sep="\t")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=Path)
    parser.add_argument("--inputs", type=int, default=4000, help="in each of the rounds")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    programs = contenders(arguments.build.resolve())
    numbers = [str(number) for number in range(arguments.inputs)]
    measure("parallel true", programs, ["true"], numbers, arguments.rounds)
    measure("parallel sha256sum", programs, ["sha256sum"], headers()[: arguments.inputs], arguments.rounds)


main()
