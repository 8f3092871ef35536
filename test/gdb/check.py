#!/usr/bin/env python3
# Part of brood. Distributed under the Boost Software License, Version 1.0. (See LICENSE.)
"""Checks what gdb prints for brood's types: check.py PROGRAM PRINTERS LIBRARY INSTALLED_NAME

gdb must load the printers by itself: they are put where it looks for those of the library. Exit code 77 means that gdb
is not installed, or may not run a program here.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

PATTERNS = {
    "plain": r"make -j4 'it'\"'\"'s \\\\?xff'",
    "full": r"cd '/a b' && env -u K A='1 2' exec -a name prog ''",
    "exited": r"exit status: 3",
    "killed": r"signal: 9 \(SIGKILL\) \(core dumped\)",
    "none": r"no child",
    "running": r"pid [1-9][0-9]*, not reaped",
    "ended": r"pid [1-9][0-9]*, exit status: 3",
}


def run(*arguments):
    command = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=200)


def main(program, printers, library, installed_name):
    if not shutil.which("gdb"):
        print("gdb is not installed: not tested")
        return 77
    if "exited normally" not in run("-ex", "run", "/bin/true").stdout:
        print("gdb cannot run a program here: not tested")
        return 77
    library = os.path.realpath(library)
    assert installed_name == os.path.basename(library) + "-gdb.py", installed_name
    with tempfile.TemporaryDirectory() as folder:
        loaded = folder + os.path.dirname(library)
        os.makedirs(loaded)
        shutil.copy(printers, os.path.join(loaded, installed_name))
        options = ["-iex", f"add-auto-load-safe-path {folder}", "-iex", f"add-auto-load-scripts-directory {folder}"]
        commands = ["break stop_here", "run", *(f"output {name}\necho \\n" for name in PATTERNS), "kill"]
        script = os.path.join(folder, "commands")
        with open(script, "w", encoding="utf-8") as file:
            file.write("\n".join(commands) + "\n")
        result = run(*options, "-x", script, program)
    lines = result.stdout.splitlines()
    missing = [
        name for name, pattern in PATTERNS.items() if not any(re.fullmatch(pattern, line) for line in lines)
    ]
    if missing:
        print("wrong or missing:", *missing)
        print(result.stdout, result.stderr)
    return 1 if missing else 0


sys.exit(main(*sys.argv[1:]))
