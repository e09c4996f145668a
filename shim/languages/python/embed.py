"""Turns text files, one after the other, into a C header with one array of their bytes.

usage: embed.py NAME HEADER FILE...
"""

import sys

name, header, *sources = sys.argv[1:]
content = b""
for source in sources:
    with open(source, "rb") as file:
        content += file.read()
with open(header, "w", encoding="ascii") as file:
    file.write(f"static const char {name}[] = {{\n")
    for start in range(0, len(content), 20):
        file.write(" ".join(f"{byte}," for byte in content[start:start + 20]) + "\n")
    file.write("0};\n")
