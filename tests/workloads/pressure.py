#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""pressure.py CACHE WORK [nobody|sd-event|stdin]: a program with a cache of so many MiB, which then takes WORK MiB for its work.

It follows systemd's protocol: $MEMORY_PRESSURE_WATCH is a socket, to which $MEMORY_PRESSURE_WRITE is written, if it is set,
and on which something to read means that memory is getting scarce. Then it drops its cache, once. At its end it prints a
line, {"event": "done", "told": how often, "dropped": MiB, "work": MiB, "heard_ns": when first, CLOCK_MONOTONIC}.

nobody    it becomes that user before it connects
stdin     it says "watching" when it is connected, and waits for a byte on its standard input
sd-event  the protocol is that of libsystemd itself, by sd_event_add_memory_pressure(3). Exits with 77 where that is not
          there, or is older than 254; $LIBSYSTEMD names another one.
"""
import base64
import ctypes
import json
import mmap
import os
import select
import socket
import stat
import sys
import time

MIB = 1 << 20
STEP_MS = 10  # for a MiB of work


def take(mib):
    memory = mmap.mmap(-1, mib * MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for offset in range(0, mib * MIB, mmap.PAGESIZE):
        memory[offset] = 1
    return memory


class Socket:
    """By the protocol itself. None of it where there is nothing to watch."""

    def __init__(self):
        path = os.environ.get("MEMORY_PRESSURE_WATCH")
        self.link = None
        if path in (None, "/dev/null"):
            return
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            sys.exit("what is to be watched is no socket")
        self.link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.link.connect(path)
        self.link.sendall(base64.b64decode(os.environ.get("MEMORY_PRESSURE_WRITE", "")))

    def wait(self, ms):
        """How often it was told meanwhile."""
        if not select.select([self.link] if self.link else [], [], [], ms / 1000)[0]:
            return 0
        told = len(self.link.recv(4096))
        if not told:
            sys.exit("who told has gone")
        return told


class SdEvent:
    """By libsystemd."""

    def __init__(self):
        try:
            self.lib = ctypes.CDLL(os.environ.get("LIBSYSTEMD", "libsystemd.so.0"))
            add = self.lib.sd_event_add_memory_pressure
        except (OSError, AttributeError):
            sys.exit(77)
        self.told = 0
        self.event = ctypes.c_void_p()
        self.callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(self.hear)
        if self.lib.sd_event_default(ctypes.byref(self.event)) < 0:
            sys.exit("no event loop")
        error = add(self.event, None, self.callback, None)
        if error < 0:
            sys.exit(f"nothing to watch: {os.strerror(-error)}")

    def hear(self, _source, _userdata):
        self.told += 1
        return 0

    def wait(self, ms):
        before = self.told
        if self.lib.sd_event_run(self.event, ctypes.c_uint64(ms * 1000)) < 0:
            sys.exit("the event loop fails")
        return self.told - before


cache_mib, work_mib, how = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
if how == ["nobody"]:
    os.setgid(65534)
    os.setuid(65534)
watch = SdEvent() if how == ["sd-event"] else Socket()
if how == ["stdin"]:
    print("watching", flush=True)
    sys.stdin.buffer.read(1)
told = dropped = heard_ns = 0
cache, work = take(cache_mib), []
while len(work) < work_mib:
    work.append(take(1))
    told += watch.wait(STEP_MS)
    if told and cache:
        heard_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        cache.close()
        cache, dropped = None, cache_mib
print(json.dumps({"event": "done", "told": told, "dropped": dropped, "work": len(work),
                  "heard_ns": heard_ns}), flush=True)
