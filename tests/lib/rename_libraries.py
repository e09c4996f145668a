"""Gives copies of libraries other names, in place: tools that move sections would add data segments.

rename_libraries.py [--own-variables] NAME FILE...

NAME takes the place of "lib" in the names of all of FILE..., by which they call themselves and each other,
and in their file names. With --own-variables what C++ has once in a process (STB_GNU_UNIQUE) becomes what
each library has for itself, as if compiled with -fno-gnu-unique. 64-bit ELF of this machine's byte order.
"""

import os
import struct
import sys

SHT_DYNSYM, STB_GLOBAL, STB_GNU_UNIQUE, SYMBOL_SIZE = 11, 1, 10, 24


def sections(content):
    start, = struct.unpack_from("Q", content, 0x28)
    size, count = struct.unpack_from("HH", content, 0x3A)
    for section in range(start, start + size * count, size):
        kind, = struct.unpack_from("I", content, section + 4)
        offset, length = struct.unpack_from("QQ", content, section + 0x18)
        link, = struct.unpack_from("I", content, section + 0x28)
        yield kind, offset, length, start + link * size


def edit(content, names, own_variables):
    for kind, offset, length, link in sections(content):
        if kind != SHT_DYNSYM:
            continue
        for symbol in range(offset, offset + length, SYMBOL_SIZE) if own_variables else ():
            if content[symbol + 4] >> 4 == STB_GNU_UNIQUE:
                content[symbol + 4] = STB_GLOBAL << 4 | content[symbol + 4] & 15
        start, size = struct.unpack_from("QQ", content, link + 0x18)
        strings = bytes(content[start:start + size])
        for old, new in names.items():
            strings = strings.replace(b"\0" + old + b"\0", b"\0" + new + b"\0")
        content[start:start + size] = strings


def main(arguments):
    own_variables = arguments[0] == "--own-variables"
    name, *files = arguments[own_variables:]
    if len(name) != len("lib"):
        sys.exit("the name has to be as long as the one that it replaces")
    libraries = [os.path.basename(file) for file in files if os.path.basename(file).startswith("lib")]
    names = {old.encode(): (name + old[3:]).encode() for old in libraries}
    for file in files:
        directory, base = os.path.split(file)
        with open(file, "rb") as opened:
            content = bytearray(opened.read())
        edit(content, names, own_variables)
        with open(file, "wb") as opened:
            opened.write(content)
        os.rename(file, os.path.join(directory, names.get(base.encode(), base.encode()).decode()))


main(sys.argv[1:])
