# SPDX-License-Identifier: BSD-2-Clause
"""What workers in Python are asked for: to append a record, to leave memory behind, to grow without end. While
one grows there is a file, which it removes when it ends."""
import os

OWN = os.environ["SERVICE_OWN"]
kept = []


def add(value):
    with open(f"{OWN}/records", "a") as file:
        file.write(f"{value}\n")
    return value


def leak(size):
    kept.append(b"x" * size)
    return os.getpid()


def grow():
    held = f"{OWN}/held"
    records = []
    try:
        with open(held, "w") as file:
            file.write(str(os.getpid()))
        while True:
            records.append([len(records)] * 100)
    finally:
        os.unlink(held)
