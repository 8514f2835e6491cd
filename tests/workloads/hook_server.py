#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""hook_server.py: an HTTP server on a port of loopback that it prints first, {"event": "listening", "port": N}.

Each POST becomes a line, {"event": "post", "path": ..., "type": ..., "body": ...}. One to /moved is sent on to /other, and
one to /broken fails.
"""
import http.server
import json


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/other")
        else:
            self.send_response(500 if self.path == "/broken" else 204)
        self.end_headers()
        say(event="post", path=self.path, type=self.headers["Content-Type"], body=json.loads(body))

    def do_GET(self):
        self.send_error(405)
        say(event="get", path=self.path)

    def log_message(self, *args):
        pass


def say(**members):
    print(json.dumps(members), flush=True)


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
say(event="listening", port=server.server_port)
server.serve_forever()
