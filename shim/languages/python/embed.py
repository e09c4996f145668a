"""Turns a text file into a C header with one array of its bytes.

usage: embed.py FILE NAME HEADER
"""

import sys

source, name, header = sys.argv[1:]
with open(source, "rb") as file:
    content = file.read()
with open(header, "w", encoding="ascii") as file:
    file.write(f"static const char {name}[] = {{\n")
    for start in range(0, len(content), 20):
        file.write(" ".join(f"{byte}," for byte in content[start:start + 20]) + "\n")
    file.write("0};\n")
