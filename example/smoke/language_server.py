#!/usr/bin/env python3
"""A small language server for the smoke test of language_client. It finds words in a text.

language_server.py [MODE]...

Faults occur only in the first run, which creates the file `failed`: crash, hang, garbage, flood, broken, refuse.
Other modes: pieces (of one byte), joined (messages in one write), headers, list (an outline without a tree), ask (sends
requests to the client), chatty (writes much before it reads), linger (ignores `exit`).
"""
import json
import os
import re
import signal
import sys
import urllib.parse

modes = sys.argv[1:]
held = b""


def log(text):
    print(text, file=sys.stderr, flush=True)


def fails(mode):
    """Returns whether this fault is to occur now, and records it."""
    if mode not in modes or os.path.exists("failed"):
        return False
    open("failed", "w").close()
    log(mode)
    return True


def write(data):
    step = 1 if "pieces" in modes else len(data)
    for start in range(0, len(data), step):
        sys.stdout.buffer.write(data[start : start + step])
        sys.stdout.buffer.flush()


def send(message, last=True):
    """Writes a message. With `joined`, writes it together with the next one unless it is the last."""
    global held
    body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode()
    header = b"Content-Length: %d\r\n" % len(body)
    if "headers" in modes:
        header = b"Content-Type: a; b=c:d\r\ncontent-LENGTH:%d \r\nX-Unknown:\r\n" % len(body)
    held += header + b"\r\n" + body
    if last or "joined" not in modes:
        write(held)
        held = b""


def read():
    size = None
    while (line := sys.stdin.buffer.readline()) != b"\r\n":
        if not line:
            log("end of input")
            sys.exit(1)
        name, value = line.decode().split(": ")
        assert name == "Content-Length", name
        size = int(value)
    message = json.loads(sys.stdin.buffer.read(size))
    assert message["jsonrpc"] == "2.0"
    return message


def expect(method):
    message = read()
    assert message["method"] == method, message
    return message


def reply(request, result):
    send({"id": request["id"], "result": result})


def ask(number, method, params):
    send({"id": number, "method": method, "params": params})
    answer = read()
    assert answer.pop("id") == number and answer.pop("jsonrpc") == "2.0"
    log(f"{method}: {json.dumps(answer)}")


def find(word, text):
    """Yields the range of each place of the word."""
    for number, line in enumerate(text.split("\n")):
        for place in re.finditer(word, line):
            begin = {"line": number, "character": place.start()}
            yield {"start": begin, "end": {"line": number, "character": place.end()}}, place


def publish(uri, text):
    severities = {"fault": {}, "error": {"severity": 1}, "warning": {"severity": 2}, "hint": {"severity": 4}}
    found = [
        {"range": where, "message": f"found {word}", **severity}
        for word, severity in severities.items()
        for where, _ in find(word, text)
    ]
    send({"method": "textDocument/publishDiagnostics", "params": {"uri": uri, "diagnostics": found}}, last=False)


def outline(uri, text):
    symbols = []
    for where, place in find(r"^( *)def (\w+)", text):
        symbol = {"name": place[2], "kind": 12}
        if "list" in modes:
            symbols.append({**symbol, "location": {"uri": uri, "range": where}})
        elif place[1]:
            symbols[-1].setdefault("children", []).append({**symbol, "range": where, "selectionRange": where})
        else:
            symbols.append({**symbol, "range": where, "selectionRange": where})
    return symbols


log("started")
if fails("garbage"):
    write(b"This is not\r\na header\r\n\r\n")
if fails("flood"):
    write(b"x" * 5000)
if fails("broken"):
    write(b"Content-Length: 5\r\n\r\n{]{]{")

request = expect("initialize")
assert request["params"]["processId"] == os.getppid()
if fails("refuse"):
    send({"id": request["id"], "error": {"code": -32603, "message": "not today"}})
    read()
reply(request, {"capabilities": {}})
assert expect("initialized")["params"] == {}
if "ask" in modes:
    # The numbers are also those of the client's requests.
    document, request = expect("textDocument/didOpen"), expect("textDocument/documentSymbol")
    ask(1, "workspace/configuration", {"items": [{}, {}]})
    ask(2, "window/workDoneProgress/create", {"token": "a"})
    ask("three", "sample/unknown", {})
else:
    if "chatty" in modes:
        for _ in range(1000):
            send({"method": "window/logMessage", "params": {"type": 4, "message": "x" * 1000}})
    document, request = expect("textDocument/didOpen"), expect("textDocument/documentSymbol")

item = document["params"]["textDocument"]
with open(urllib.parse.unquote(urllib.parse.urlsplit(item["uri"]).path), "rb") as file:
    assert file.read().decode() == item["text"]
log(f"{item['languageId']}: {len(item['text'])} characters")
if fails("crash"):
    os._exit(3)
if fails("hang"):
    signal.pause()

publish("file:///other/b%20c", "hint")
publish(item["uri"], "an error that a later message withdraws")
publish(item["uri"], item["text"])
reply(request, outline(item["uri"], item["text"]))
reply(expect("shutdown"), None)
expect("exit")
if "linger" in modes:
    signal.pause()
