# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Describes the machine on which the figures were measured, without its name."""
import datetime
import os
import platform
import re
import subprocess


def first_match(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else None


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        return first_match(r"^model name\s*:\s*(.*)$", info.read()) or platform.machine()


def memory_gib():
    with open("/proc/meminfo", encoding="utf-8") as info:
        return int(first_match(r"^MemTotal:\s*(\d+)", info.read())) / 2**20


def compiler():
    command = [*os.environ.get("CXX", "c++").split(), "--version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]


def description():
    cores = len(os.sched_getaffinity(0))
    kernel = first_match(r"^([\d.]+\d)", platform.release())
    return (f"{cpu_model()}, {cores} cores, {memory_gib():.0f} GiB, Linux {kernel}, {compiler()}; "
            f"{datetime.date.today().isoformat()}")
