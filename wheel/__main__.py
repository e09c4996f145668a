"""Becomes the command that came in the same wheel, wherever that was installed."""

import importlib.metadata
import os
import sys


def command():
    package = os.path.dirname(os.path.abspath(__file__))
    # Where pip moves what it has installed (--target), its list of files is wrong.
    places = [os.path.join(os.path.dirname(package), "bin", "grpcforkshim")]
    for file in importlib.metadata.files("grpcforkshim") or ():
        if file.parts[-2:] == ("bin", "grpcforkshim"):
            places.insert(0, os.fspath(file.locate()))
    return next((place for place in places if os.access(place, os.X_OK)), None)


def main():
    path = command()
    if path is None:
        sys.exit("grpcforkshim: the command is not where this package was installed")
    # Not run with the path of this file: its --help speaks of the command.
    os.execv(path, ["grpcforkshim", *sys.argv[1:]])


if __name__ == "__main__":
    main()
