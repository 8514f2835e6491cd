#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Clients of the servers.

client.py --stop FILE [--add TEXT] [--grow TEXT] [--leak TEXT] ask|innocent|request|leak|burst PROTOCOL ARGUMENT...

PROTOCOL ARGUMENT... is one of:
  lines SOCKET             a line, and a line for an answer
  http SOCKET              a request each: /add?N, /grow, /leak?KIB
  fastcgi SOCKET SCRIPT    the same words as the query
  redis SOCKET             redis
  program COMMAND...       a client program: lines in, lines out

ask asks once for "count", and prints the answer. innocent adds 1, 2, 3, ... and prints what was
acknowledged, until FILE is there; it fails when it is not answered. request asks for growth once, and
ends when that is answered or cut. leak and burst ask for growth in parts, at 50 MB/s or flat out, until
one is cut, or until a process that grew is gone: an answer is the number of the process that gave it,
or 0 if there is only one.

For programs the texts are what to type for each; {n} is a number, {kib} is the size.
"""
import argparse
import http.client
import itertools
import os
import socket
import struct
import subprocess
import sys
import threading
import time

PACE_S = 0.005
LEAK_BYTES_PER_S = 50e6
LEAK_KIB = (64, 256, 1024)
BURST_KIB = 256
BURST_CLIENTS = 4
TIMEOUT_S = 30


class Lines:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self.file = self.socket.makefile("rw")

    def call(self, *words):
        self.file.write(" ".join(map(str, words)) + "\n")
        self.file.flush()
        answer = self.file.readline()
        if not answer.endswith("\n"):
            raise ConnectionError("closed")
        return answer.strip()


class Http:
    def __init__(self, path):
        self.path = path

    def call(self, word, value=""):
        connection = http.client.HTTPConnection("localhost", timeout=TIMEOUT_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(TIMEOUT_S)
        try:
            connection.sock.connect(self.path)
            connection.request("GET", f"/{word}?{value}", headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read().decode().strip()
        finally:
            connection.close()
        if response.status != 200:
            raise ConnectionError(f"status {response.status}")
        return body


class FastCgi:
    BEGIN, END, PARAMS, STDIN, STDOUT = 1, 3, 4, 5, 6
    RESPONDER = 1

    def __init__(self, path, script):
        self.path, self.script = path, script

    @staticmethod
    def record(kind, content=b""):
        return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content

    @staticmethod
    def pair(name, value):
        return bytes([len(name)]) + struct.pack(">I", len(value) | 1 << 31) + name + value

    @staticmethod
    def receive(connection, size):
        data = b""
        while len(data) < size:
            part = connection.recv(size - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def call(self, word, value=""):
        params = (
            self.pair(b"REQUEST_METHOD", b"GET")
            + self.pair(b"SCRIPT_FILENAME", self.script.encode())
            + self.pair(b"QUERY_STRING", f"{word}={value}".encode())
        )
        output = b""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(TIMEOUT_S)
            connection.connect(self.path)
            connection.sendall(
                self.record(self.BEGIN, struct.pack(">HB5x", self.RESPONDER, 0))
                + self.record(self.PARAMS, params)
                + self.record(self.PARAMS)
                + self.record(self.STDIN)
            )
            kind = None
            while kind != self.END:
                header = self.receive(connection, 8)
                _, kind, _, length, padding = struct.unpack(">BBHHBx", header)
                content = self.receive(connection, length + padding)
                if kind == self.STDOUT:
                    output += content[:length]
        head, _, body = output.decode().partition("\r\n\r\n")
        if "Status: 5" in head:
            raise ConnectionError(head.splitlines()[0])
        return body.strip()


class Redis:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")
        self.number = itertools.count()

    @staticmethod
    def encode(*words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)

    def command(self, *words):
        self.socket.sendall(self.encode(*words))
        answer = self.file.readline()
        if not answer.endswith(b"\r\n"):
            raise ConnectionError("closed")
        if answer.startswith(b"-"):
            raise ConnectionError(answer.decode().strip())
        if answer.startswith(b"$") and answer[1:2] != b"-":
            return self.file.read(int(answer[1:]) + 2)[:-2].decode()
        return answer[1:].strip().decode()

    def call(self, word, value=None):
        if word == "add":
            self.command("sadd", "records", value)
            return str(value)
        if word == "leak":
            self.command("set", f"leak-{os.getpid()}-{id(self)}-{next(self.number)}", b"x" * (value << 10))
            return "0"
        if word == "grow":
            self.unread()
        return self.command("scard", "records")

    def unread(self):
        """Asks for a value of 64 KiB, again and again, and reads no answer: the server has to keep them."""
        self.command("set", "large", b"x" * (1 << 16))
        question = self.encode("get", "large") * 100
        self.socket.settimeout(0.1)
        while True:
            try:
                self.socket.send(question)
            except socket.timeout:
                pass
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(self.socket.getpeername())


class Program:
    def __init__(self, texts, *command):
        self.texts = texts
        self.number = itertools.count()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def call(self, word, value=""):
        text = self.texts[word].format(n=next(self.number) if word == "leak" else value, kib=value)
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer.endswith("\n"):
            raise ConnectionError("closed")
        return answer.strip()


def innocent(connect, options):
    connection = connect()
    n = 0
    while not os.path.exists(options.stop):
        n += 1
        answer = connection.call("add", n)
        if answer != str(n):
            raise ConnectionError(f"not {n} but {answer[:80]}")
        print(n, flush=True)
        time.sleep(PACE_S)


def is_gone(pid):
    """The process which gave that answer."""
    return pid != "0" and not os.path.exists(f"/proc/{pid}")


def leak(connect, seen, sizes, bytes_per_s):
    connection = connect()
    begin, total = time.monotonic(), 0
    for kib in sizes:
        seen.add(connection.call("leak", kib))
        if any(map(is_gone, list(seen))):
            raise ConnectionError("a process that grew is gone")
        total += kib << 10
        if bytes_per_s:
            time.sleep(max(0, begin + total / bytes_per_s - time.monotonic()))


def burst(connect, seen):
    def one():
        try:
            leak(connect, seen, itertools.repeat(BURST_KIB), None)
        except (OSError, http.client.HTTPException, ValueError) as error:
            print(f"client.py: {error}", file=sys.stderr)
        ended.set()

    ended = threading.Event()
    for _ in range(BURST_CLIENTS):
        threading.Thread(target=one, daemon=True).start()
    ended.wait()


def act(options, connect):
    seen = set()
    if options.action == "ask":
        print(connect().call("count"))
    elif options.action == "innocent":
        innocent(connect, options)
    elif options.action == "request":
        print(connect().call("grow")[:200])
    elif options.action == "leak":
        leak(connect, seen, itertools.cycle(LEAK_KIB), LEAK_BYTES_PER_S)
    else:
        burst(connect, seen)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--stop")
    for word in ("add", "grow", "leak", "count"):
        parser.add_argument("--" + word)
    parser.add_argument("action", choices=("ask", "innocent", "request", "leak", "burst"))
    parser.add_argument("protocol", choices=("lines", "http", "fastcgi", "redis", "program"))
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    kinds = {"lines": Lines, "http": Http, "fastcgi": FastCgi, "redis": Redis}

    def connect():
        if options.protocol == "program":
            return Program(vars(options), *options.arguments)
        return kinds[options.protocol](*options.arguments)

    try:
        act(options, connect)
    except (OSError, http.client.HTTPException) as error:
        print(f"client.py: {error}", file=sys.stderr)
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)  # threads of a burst may be waiting


if __name__ == "__main__":
    main()
