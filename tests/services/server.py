# SPDX-License-Identifier: BSD-2-Clause
"""server.py SOCKET RECORDS: see lines.sh. It handles no signal; Python makes an exception of SIGINT."""
import os
import socketserver
import sys
import threading

path, kept_in = sys.argv[1:3]
records = []
leaked = []
lock = threading.Lock()


def load():
    if os.path.exists(kept_in):
        with open(kept_in) as file:
            records.extend(int(line) for line in file)


# What is not saved is not acknowledged: the lock is held to the end.
def save():
    lock.acquire()
    with open(kept_in + ".new", "w") as file:
        file.writelines(f"{n}\n" for n in records)
        file.flush()
        os.fsync(file.fileno())
    os.rename(kept_in + ".new", kept_in)


def grow():
    growing = []
    while True:
        growing.append([len(growing)] * 100)


class Session(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            word, *value = line.decode().split()
            answer = 0
            if word == "add":
                with lock:
                    records.append(int(value[0]))
                answer = value[0]
            elif word == "count":
                answer = len(records)
            elif word == "leak":
                leaked.append(b"x" * (int(value[0]) << 10))
            elif word == "grow":
                grow()
            self.wfile.write(f"{answer}\n".encode())


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


load()
try:
    Server(path, Session).serve_forever()
except KeyboardInterrupt:
    pass
finally:
    save()
