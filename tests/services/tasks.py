# SPDX-License-Identifier: BSD-2-Clause
"""Tasks of a Celery that has Redis for a broker, and their client.

tasks.py ask: ends with 0 when a task was done.
tasks.py innocent STOP: adds 1, 2, 3, ... one after another, until the file STOP is there; prints what was sent.
It fails when a task fails, or is not done in 10 s.
tasks.py request|leak|burst: one task that grows, or tasks that leave something behind; ends when one fails,
or a process that grew is gone.
"""
import itertools
import os
import sys
import time

from celery import Celery

OWN = os.environ["SERVICE_OWN"]
TIMEOUT_S = 10
LEAK_BYTES_PER_S = 50e6
LEAK_BYTES = 1 << 20
BURST = 16

app = Celery(
    "tasks",
    broker=f"redis+socket://{OWN}/broker",
    backend=f"redis+socket://{OWN}/broker",
    worker_prefetch_multiplier=1,
)
kept = []


@app.task(name="tasks.add")
def add(value):
    with open(f"{OWN}/records", "a") as file:
        file.write(f"{value}\n")
    return value


@app.task(name="tasks.leak")
def leak(size):
    kept.append(b"x" * size)
    return os.getpid()


@app.task(name="tasks.grow")
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


def innocent(stop):
    for n in itertools.count(1):
        if os.path.exists(stop):
            break
        task = add.delay(n)
        print(n, flush=True)
        task.get(timeout=TIMEOUT_S)


def leaks(at_once, bytes_per_s):
    begin, total, seen = time.monotonic(), 0, set()
    while True:
        for task in [leak.delay(LEAK_BYTES) for _ in range(at_once)]:
            seen.add(task.get(timeout=TIMEOUT_S))
        if not all(os.path.exists(f"/proc/{pid}") for pid in seen):
            break
        total += at_once * LEAK_BYTES
        if bytes_per_s:
            time.sleep(max(0, begin + total / bytes_per_s - time.monotonic()))


def main():
    action = sys.argv[1]
    if action == "ask":
        leak.delay(0).get(timeout=4)
    elif action == "innocent":
        innocent(sys.argv[2])
    elif action == "request":
        grow.delay().get()
    elif action == "leak":
        leaks(1, LEAK_BYTES_PER_S)
    else:
        leaks(BURST, None)


if __name__ == "__main__":
    main()
