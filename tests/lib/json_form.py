"""Holds what `grpcforkshim check --json` prints against its schema, and the schema against the document.

usage: json_form.py valid SCHEMA FILE...      each file has the form, and no key that the schema lacks
       json_form.py complete SCHEMA FILE...   each key of the schema is in one of them, and none can be left out
       json_form.py document SCHEMA DOCUMENT  the document's table lists the schema's keys, types and values
"""

import copy
import json
import re
import sys

import jsonschema


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def members(schema, prefix=""):
    """Each member of an object in the schema: its path, the object's schema, and its name there."""
    for name, value in schema.get("properties", {}).items():
        path = prefix + name
        yield path, schema, name
        yield from members(value, path + ".")
        yield from members(value.get("items", {}), path + "[].")


def closed(schema):
    """Readers ignore keys that they don't know; here each has to be known."""
    schema = copy.deepcopy(schema)
    schema["additionalProperties"] = False
    for _, parent, name in members(schema):
        for part in (parent["properties"][name], parent["properties"][name].get("items", {})):
            if "properties" in part:
                part["additionalProperties"] = False
    return schema


def errors(schema, documents):
    validator = jsonschema.Draft7Validator(schema)
    return [f"{path}: {'.'.join(map(str, error.path))}: {error.message}"
            for path, document in documents.items() for error in validator.iter_errors(document)]


def valid(schema, documents):
    return errors(closed(schema), documents)


def complete(schema, documents):
    found = []
    for path, _, _ in members(schema):
        lacking = copy.deepcopy(schema)
        for other, parent, name in list(members(lacking)):
            if other == path:
                del parent["properties"][name]
        if not errors(closed(lacking), documents):
            found.append(f"{path}: in none of what was printed")
    return found


def type_in_words(schema):
    if "const" in schema:
        return "integer"
    if "enum" in schema:
        return "string"
    kinds = schema["type"]
    return " or ".join(kinds) if isinstance(kinds, list) else kinds


def in_document(path):
    """The rows of the section about JSON: key -> type, whether it is always there, text."""
    with open(path, encoding="utf-8") as file:
        section = re.search(r"^## check --json\n(.*?)^## ", file.read(), re.M | re.S).group(1)
    row = re.compile(r"^\| `([^`]*)` \| ([^|]*) \| ([^|]*) \| (.*)\|$", re.M)
    return {key: rest for key, *rest in row.findall(section)}


def document(schema, path):
    rows = in_document(path)
    found = []
    for key, parent, name in members(schema):
        value = parent["properties"][name]
        always = "yes" if name in parent.get("required", []) else "no"
        kind, said_always, text = rows.pop(key, ("", "", ""))
        if (kind, said_always) != (type_in_words(value), always):
            found.append(f"{key}: {kind!r}, {said_always!r} in the document, "
                         f"{type_in_words(value)!r}, {always!r} in the schema")
        found += [f"{key}: {word} is not in the document" for word in value.get("enum", [])
                  if f"`{word}`" not in text]
    return found + [f"{key}: not in the schema" for key in rows]


def main():
    what, schema, *files = sys.argv[1:]
    if what == "document":
        found = document(load(schema), *files)
    else:
        check = {"valid": valid, "complete": complete}[what]
        found = check(load(schema), {path: load(path) for path in files})
    print("\n".join(found))
    sys.exit(bool(found) or not files)


if __name__ == "__main__":
    main()
