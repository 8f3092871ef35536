#!/usr/bin/env python3
"""Compiles a program that must not compile, and matches the first error message with a pattern in the program.

usage: check.py SOURCE COMPILER [ARGUMENT]...
"""
import os
import re
import subprocess
import sys

source, *command = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    expected = re.search(r"^// expect: (.*)$", file.read(), re.MULTILINE)[1]
run = subprocess.run(
    command + ["-fsyntax-only", "-Werror=unused-result", source],
    capture_output=True,
    text=True,
    env={**os.environ, "LC_ALL": "C"},
)
errors = [line for line in run.stderr.splitlines() if " error: " in line]
first = errors[0] if errors else "the program compiles"
print(first)
sys.exit(run.returncode == 0 or re.search(expected, first) is None)
