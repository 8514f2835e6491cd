#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Watches a page of a browser by its DevTools protocol.

devtools.py COMMANDS EVENTS URL: opens the page, and prints what it writes to its console. Closes the
browser when the page has crashed; ends when the browser has. The first two are the pipes of
--remote-debugging-pipe.
"""
import json
import sys


def messages(events):
    data = b""
    while True:
        part = events.read(65536)
        if not part:
            return
        data += part
        *whole, data = data.split(b"\0")
        yield from map(json.loads, whole)


def main():
    with open(sys.argv[1], "wb", buffering=0) as commands, open(sys.argv[2], "rb", buffering=0) as events:

        def send(method, session=None, **params):
            message = {"id": 1, "method": method, "params": params}
            if session:
                message["sessionId"] = session
            commands.write(json.dumps(message).encode() + b"\0")

        send("Target.createTarget", url="about:blank")
        for message in messages(events):
            result, params = message.get("result", {}), message.get("params", {})
            method = message.get("method")
            if "targetId" in result:
                send("Target.attachToTarget", targetId=result["targetId"], flatten=True)
            elif "sessionId" in result:
                session = result["sessionId"]
                send("Inspector.enable", session)
                send("Runtime.enable", session)
                send("Page.navigate", session, url=sys.argv[3])
            elif method == "Runtime.consoleAPICalled":
                print(*(argument["value"] for argument in params["args"]), flush=True)
            elif method in ("Inspector.targetCrashed", "Target.targetCrashed"):
                print("devtools.py: the page has crashed", file=sys.stderr)
                send("Browser.close")
            elif "error" in message:
                print(f"devtools.py: {message['error']}", file=sys.stderr)


try:
    main()
except BrokenPipeError:
    pass
