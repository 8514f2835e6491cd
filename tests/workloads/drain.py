#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""drain.py WAIT STOP FILE MIB_PER_S: a service whose worker thread allocates while its main thread waits.

WAIT is how it waits: sleep, pause, event, join, select, asyncio; sigwait, all threads block SIGTERM and the main
one takes it; signal_thread, a third one does, and the main one sleeps. STOP is how it ends: term (a handler of
SIGTERM), none (no handler: what runs at KeyboardInterrupt). At its end it writes "drained" to FILE, which is
all that counts. Prints "ready" first.
"""
import asyncio
import os
import select
import signal
import sys
import threading
import time

MIB = 1 << 20
kept = []


def grow(rate):
    begin = time.monotonic()
    while True:
        kept.append(bytearray(os.urandom(4096)) * (MIB // 4096))
        ahead = len(kept) / rate - (time.monotonic() - begin)
        if ahead > 0.001:
            time.sleep(ahead)


def take_signal():
    signal.sigwait([signal.SIGTERM])


async def serve_forever(ends_by_term):
    stop = asyncio.Event()
    if ends_by_term:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()


def wait(how, ends_by_term, worker):
    if how == "sleep":
        while True:
            time.sleep(1000)
    elif how == "pause":
        while True:
            signal.pause()
    elif how == "event":
        threading.Event().wait()
    elif how == "join":
        worker.join()
    elif how == "select":
        while True:
            select.select([], [], [], 1000)
    elif how == "sigwait":
        take_signal()
    elif how == "signal_thread":
        taker = threading.Thread(target=take_signal)
        taker.start()
        while taker.is_alive():
            time.sleep(0.01)
    elif how == "asyncio":
        asyncio.run(serve_forever(ends_by_term))
    else:
        sys.exit(f"drain.py: unknown way to wait: {how}")


def main():
    how, stop, path, rate = sys.argv[1:5]
    worker = threading.Thread(target=grow, args=(float(rate),), daemon=True)
    if how in ("sigwait", "signal_thread"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    elif stop == "term" and how != "asyncio":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print("ready", flush=True)
    try:
        worker.start()
        wait(how, stop == "term", worker)
    finally:
        with open(path, "w", encoding="ascii") as file:
            file.write("drained\n")
        os._exit(0)


main()
