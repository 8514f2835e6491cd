#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A FastCGI client.

fastcgi.py SOCKET SCRIPT: one request, and exits 0 if it was answered.
fastcgi.py SOCKET SCRIPT --count: one after another with the query 1, 2, ..., until one is not
answered; prints how many were.
"""
import socket
import struct
import sys

BEGIN, END, PARAMS, STDIN = 1, 3, 4, 5
RESPONDER = 1


def record(kind, content=b""):
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def pair(name, value):
    return bytes([len(name)]) + struct.pack(">I", len(value) | 1 << 31) + name + value


def receive(connection, size):
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise ConnectionError("closed")
        data += part
    return data


def request(path, script, query):
    params = (
        pair(b"REQUEST_METHOD", b"GET")
        + pair(b"SCRIPT_FILENAME", script.encode())
        + pair(b"QUERY_STRING", str(query).encode())
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(
            record(BEGIN, struct.pack(">HB5x", RESPONDER, 0))
            + record(PARAMS, params)
            + record(PARAMS)
            + record(STDIN)
        )
        kind = None
        while kind != END:
            _, kind, _, length, padding = struct.unpack(">BBHHBx", receive(connection, 8))
            receive(connection, length + padding)


def main():
    path, script = sys.argv[1:3]
    count = 0
    try:
        while True:
            request(path, script, count + 1)
            count += 1
            if len(sys.argv) == 3:
                break
            print(count, flush=True)
    except OSError as error:
        print(f"fastcgi.py: {error}", file=sys.stderr)
        sys.exit(1)


main()
