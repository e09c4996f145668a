"""Whether each link of these documents leads somewhere: to a file, and in a document to a heading.

usage: links.py FILE...   prints those that don't; status 1 if there is one, or nothing was found to look at
"""

import os
import re
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def headings(path):
    """By the names that GitHub gives them."""
    return {re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-")
            for name in re.findall(r"^#+ (.*)$", read(path), re.M)}


def leads_nowhere(path, link):
    file, _, part = link.partition("#")
    target = os.path.join(os.path.dirname(path), file) if file else path
    return not os.path.exists(target) or bool(part) and part not in headings(target)


def main():
    links = [(path, link) for path in sys.argv[1:]
             for link in re.findall(r"\]\(([^)\s]+)\)", read(path)) if "://" not in link]
    broken = [f"{path}: {link}" for path, link in links if leads_nowhere(path, link)]
    print("\n".join(broken))
    sys.exit(bool(broken) or not links)


if __name__ == "__main__":
    main()
