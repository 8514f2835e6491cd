#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""HTTP clients of a server on this machine.

clients.py PORT: asks for /small, one request after another, and prints how many were answered. With
every 50th comes a new client that asks for a part of /large of its own, and reads nothing. Ends when a
request is not answered.
"""
import http.client
import socket
import sys

EVERY = 50
PART = 64 << 20


def stall(port, number):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(
        b"GET /large HTTP/1.1\r\nHost: bench\r\nRange: bytes=%d-%d\r\n\r\n"
        % (number * PART, (number + 1) * PART - 1)
    )
    return client


def main():
    port = int(sys.argv[1])
    connection = http.client.HTTPConnection("127.0.0.1", port)
    stalled = []
    count = 0
    try:
        while True:
            if count % EVERY == 0:
                stalled.append(stall(port, len(stalled)))
            connection.request("GET", "/small")
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise OSError(f"status {response.status}")
            count += 1
            print(count, flush=True)
    except (OSError, http.client.HTTPException) as error:
        print(f"clients.py: {error}, {len(stalled)} clients", file=sys.stderr)


main()
