# A session of an editor with clangd: prints what it answers. session.py CLANGD ARGUMENT...
import json
import subprocess
import sys

SOURCE = """#include <stddef.h>
struct point { int x; int y; };
static int add(struct point *p) { return p->x + p->y; }
int main(void) { struct point p = {1, 2}; undeclared(); return add(&p); }
"""
server = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)


def send(message):
    body = json.dumps({"jsonrpc": "2.0", **message}).encode()
    server.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
    server.stdin.flush()


def receive():
    length = 0
    while (line := server.stdout.readline().strip()):
        name, value = line.split(b":")
        if name == b"Content-Length":
            length = int(value)
    return json.loads(server.stdout.read(length)) if length else None


def await_answer(number):
    while (message := receive()):
        if message.get("id") == number and "method" not in message:
            return message.get("result", message.get("error"))


def await_notification(method):
    while (message := receive()):
        if message.get("method") == method and message["params"].get("diagnostics"):
            return message["params"]


def show(name, value):
    print(name, json.dumps(value, sort_keys=True))


uri = "file:///legacy/main.c"
document = {"uri": uri}
send({"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}})
show("capabilities", sorted(await_answer(1)["capabilities"]))
send({"method": "initialized", "params": {}})
send({"method": "textDocument/didOpen",
      "params": {"textDocument": {**document, "languageId": "c", "version": 1, "text": SOURCE}}})
show("diagnostics", [d["message"] for d in await_notification("textDocument/publishDiagnostics")["diagnostics"]])
requests = [("textDocument/documentSymbol", {"textDocument": document}),
            ("textDocument/definition", {"textDocument": document, "position": {"line": 3, "character": 66}}),
            ("textDocument/hover", {"textDocument": document, "position": {"line": 2, "character": 12}}),
            ("textDocument/references", {"textDocument": document, "position": {"line": 2, "character": 12},
                                         "context": {"includeDeclaration": True}}),
            ("workspace/symbol", {"query": "nothing_of_this_name"})]
for number, (method, parameters) in enumerate(requests, 2):
    send({"id": number, "method": method, "params": parameters})
    show(method, await_answer(number))
send({"id": 99, "method": "shutdown"})
show("shutdown", await_answer(99))
send({"method": "exit"})
print("status", server.wait())
