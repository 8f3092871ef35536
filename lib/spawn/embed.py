#!/usr/bin/env python3
"""Writes a C++ header with the bytes of a program; with none at all where no program is given."""
import sys

header, *program = sys.argv[1:]
data = open(program[0], "rb").read() if program else b""
with open(header, "w", encoding="ascii") as out:
    out.write("#pragma once\n#include <array>\n\nnamespace brood::detail {\n\n")
    out.write(f"inline constexpr std::array<unsigned char, {len(data)}> relay_image{{{', '.join(map(str, data))}}};\n\n}}\n")
