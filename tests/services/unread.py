#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""unread.py SOCKET UPSTREAM request|leak|burst: clients that ask a proxy and read nothing, and the
upstream that answers them. Ends when one is cut off, or a worker that grew is gone."""
import os
import re
import select
import socket
import sys
import threading
import time

PART = b"x" * 65536
LEAK_BYTES = 1 << 20
LEAK_BYTES_PER_S = 50e6
HUGE_BYTES = 1 << 40


def answer(connection):
    with connection:
        request = connection.recv(65536)
        left = HUGE_BYTES if b"/grow" in request else LEAK_BYTES
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % left)
        while left:
            left -= connection.send(PART[:left])


def answer_quietly(connection):
    try:
        answer(connection)
    except OSError:
        pass


def upstream(path):
    if os.path.exists(path):
        os.unlink(path)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(4096)

    def accept():
        while True:
            connection = server.accept()[0]
            threading.Thread(target=answer_quietly, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def ask(path, target):
    client = socket.socket(socket.AF_UNIX)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(path)
    client.sendall(b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % target)
    head = client.recv(512)
    pid = re.search(rb"X-Pid: (\d+)", head)
    return client, pid and int(pid.group(1))


def main():
    path, behind, how = sys.argv[1:4]
    upstream(behind)
    clients, seen = [], set()
    poll = select.poll()
    begin = time.monotonic()
    while True:
        if how != "request" or not clients:
            client, pid = ask(path, b"grow" if how == "request" else b"leak")
            clients.append(client)
            poll.register(client, select.POLLHUP)
            seen.add(pid)
        # In a request the end of the sockets, else also the time of the next client.
        due = begin + len(clients) * LEAK_BYTES / LEAK_BYTES_PER_S - time.monotonic()
        wait = 0.02 if how == "request" else max(0, due) if how == "leak" else 0
        if poll.poll(wait * 1000) or any(pid and not os.path.exists(f"/proc/{pid}") for pid in seen):
            print("cut, or its worker is gone")
            break


main()
