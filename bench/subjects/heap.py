#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""An index of records in memory.

heap.py N: builds one of N, looks each up, and exits 0 if all are there.
heap.py grow STATE: adds records until SIGTERM, then writes to STATE how many there are. How many
there are so far is printed after every 1000.
"""
import os
import signal
import sys

SIZE = 800
stopping = False


def on_term(_number, _frame):
    global stopping
    stopping = True


def record(number):
    return b"%0*d" % (SIZE, number)


def grow(state):
    signal.signal(signal.SIGTERM, on_term)
    index = {}
    while not stopping:
        index[f"key-{len(index)}"] = record(len(index))
        if len(index) % 1000 == 0:
            print(len(index), flush=True)
    with open(state + ".tmp", "w", encoding="ascii") as file:
        file.write(f"{sum(int(text) == int(key[4:]) for key, text in index.items())}\n")
        file.flush()
        os.fsync(file.fileno())
    os.rename(state + ".tmp", state)


def build(count):
    index = {f"key-{i}": record(i) for i in range(count)}
    found = sum(int(index[f"key-{i}"]) == i for i in range(count))
    return found != count


def main():
    if sys.argv[1] == "grow":
        grow(sys.argv[2])
    else:
        sys.exit(build(int(sys.argv[1])))


main()
