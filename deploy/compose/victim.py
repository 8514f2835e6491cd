# SPDX-License-Identifier: BSD-2-Clause
"""Serves for a while, then takes some 100 MiB/s until it is asked to stop; a shutdown writes what it has to a file."""

import os
import signal
import sys
import time

held = []


def stop(number, frame):
    with open("/shutdowns/log", "a", encoding="ascii") as log:
        log.write(f"{time.time():.3f} {signal.Signals(number).name} with {len(held)} MiB\n")
        log.flush()
        os.fsync(log.fileno())
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
time.sleep(20)
while True:
    held.append(bytearray(os.urandom(1024)) * 1024)
    time.sleep(0.01)
