#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""grow.py STATE [MAX_MIB]: a Python program whose list grows until SIGTERM; then it shuts down."""
import os
import signal
import sys

stopping = False


def on_term(_number, _frame):
    global stopping
    stopping = True


def write_state(path, reason):
    """The same form as the victim's: a reason, padding, a checksum of all before it."""
    body = f"reason {reason}\n".encode() + b"".join(b"%063d\n" % i for i in range(1024))
    checksum = 2166136261
    for byte in body:
        checksum = ((checksum ^ byte) * 16777619) & 0xFFFFFFFF
    with open(path + ".tmp", "wb") as file:
        file.write(body + b"checksum %08x\n" % checksum)
        file.flush()
        os.fsync(file.fileno())
    os.rename(path + ".tmp", path)


def remember_row(rows):
    rows.append(bytearray(b"x" * (256 * 1024)))


def main():
    state = sys.argv[1]
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 4096
    signal.signal(signal.SIGTERM, on_term)
    rows = []
    while not stopping and len(rows) < 4 * limit:
        remember_row(rows)
    write_state(state, "signal" if stopping else "max")


main()
