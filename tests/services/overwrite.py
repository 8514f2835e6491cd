#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""overwrite.py SOCKET request|leak|burst KEYS: changes all keys of a Redis that saves, over and over: at
once in one script, at about 50 MB/s, or flat out. Ends when it saves no more."""
import itertools
import sys
import time

from client import Redis

SIZE = 1000
BATCH = 500
LEAK_BYTES_PER_S = 50e6
SCRIPT = "for i = 0, {} - 1 do redis.call('set', 'key:' .. i, string.rep('y', {})) end"


def saves(redis):
    return "rdb_bgsave_in_progress:1" in redis.command("info", "persistence")


def overwrite(redis, numbers):
    redis.socket.sendall(b"".join(redis.encode("set", f"key:{n}", b"z" * SIZE) for n in numbers))
    for _ in numbers:
        answer = redis.file.readline()
        if not answer.startswith(b"+"):
            raise ConnectionError(answer.decode())


def main():
    path, how, keys = sys.argv[1], sys.argv[2], int(sys.argv[3])
    redis = Redis(path)
    if how == "request":
        redis.command("eval", SCRIPT.format(keys, SIZE), 0)
    # A page is some keys.
    pace = BATCH * 4096 / LEAK_BYTES_PER_S if how == "leak" else 0
    for begin in itertools.count(step=BATCH):
        if not saves(redis):
            break
        overwrite(redis, [(begin + n) * 3 % keys for n in range(BATCH)])
        time.sleep(pace)


main()
