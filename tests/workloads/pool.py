#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""pool.py DIR WORD...: a master and its one worker, both called "apo-pool", of which the worker grows.

Whoever of them is told something writes it to a file of DIR and does it: the master ends at HUP, and takes its
worker along; the worker ends at QUIT, and gives up what it has at USR2. TERM ends both, and is written down,
as what nobody should send. Words: "alone", there is a master only, which grows; "title", the worker writes
"apo-pool: worker" over its command line; a number, how many MiB a second it grows by.
"""
import ctypes
import os
import signal
import sys
import time

MIB = 1 << 20
words = sys.argv[2:]
rate = next((float(word) for word in words if word.isdigit()), 400.0)
kept = []


def note(word):
    with open(os.path.join(sys.argv[1], word), "a", encoding="ascii") as file:
        file.write(word + "\n")


def be(role, actions):
    def on_signal(number, _):
        word = signal.Signals(number).name
        note(f"{role}-{word}")
        actions.get(word, lambda: os._exit(3))()

    for word in ("SIGHUP", "SIGQUIT", "SIGTERM", "SIGUSR2"):
        signal.signal(signal.Signals[word], on_signal)
    with open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write("apo-pool")


# The words of the kernel's own copy of them, which the command line is read from.
def retitle(title):
    with open("/proc/self/stat", encoding="ascii") as file:
        begin, end = (int(word) for word in file.read().rsplit(")", 1)[1].split()[45:47])
    text = title.encode().ljust(end - begin, b"\0")[: end - begin]
    ctypes.memmove(begin, text, len(text))


def grow():
    begin, made = time.monotonic(), 0
    while True:
        kept.append(bytearray(os.urandom(4096)) * (MIB // 4096))
        made += 1
        ahead = made / rate - (time.monotonic() - begin)
        if ahead > 0.001:
            time.sleep(ahead)


def main():
    worker = 0 if "alone" in words else os.fork()

    if worker:
        def end():
            os.kill(worker, signal.SIGKILL)
            os._exit(0)

        be("master", {"SIGHUP": end})
        note("ready")
        _, status = os.wait()
        os._exit(0 if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 else 4)
    if "alone" in words:
        be("master", {"SIGHUP": lambda: os._exit(0)})
    else:
        be("worker", {"SIGQUIT": lambda: os._exit(0), "SIGUSR2": kept.clear})
    if "title" in words:
        retitle("apo-pool: worker")
    os.read(0, 1)
    grow()


main()
