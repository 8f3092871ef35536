#!/usr/bin/env python3
"""Writes a C++ header with the bytes of the relay, and with the path where it is installed, relative to the folder of the
library. Without a program, there are no bytes."""
import os.path
import sys

header, library_folder, helper_folder, *program = sys.argv[1:]
path = os.path.join(os.path.relpath(helper_folder, library_folder), "brood-relay")
data = open(program[0], "rb").read() if program else b""
with open(header, "w", encoding="ascii") as out:
    out.write("#pragma once\n#include <array>\n\nnamespace brood::detail {\n\n")
    out.write(f"inline constexpr std::array<unsigned char, {len(data)}> relay_image{{{', '.join(map(str, data))}}};\n")
    out.write(f'inline constexpr char installed_relay[] = "{path}";\n\n}}\n')
