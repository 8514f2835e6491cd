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

import growth

TIMEOUT_S = 10
LEAK_BYTES_PER_S = 50e6
LEAK_BYTES = 1 << 20
BURST = 16

app = Celery(
    "tasks",
    broker=f"redis+socket://{growth.OWN}/broker",
    backend=f"redis+socket://{growth.OWN}/broker",
    worker_prefetch_multiplier=1,
)
add, leak, grow = (
    app.task(name=f"tasks.{task.__name__}")(task) for task in (growth.add, growth.leak, growth.grow)
)


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
