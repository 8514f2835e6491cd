#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""allocate.py KIND [INTERPRETER]: a service that has its state, says so, waits for SIGUSR1, is calm for a while and then grows,
by one line, until SIGTERM.

The line that allocates ends with the comment "here: KIND"."""
import asyncio
import gc
import json
import marshal
import os
import signal
import sys
import threading
import time

if sys.argv[1:2] == ["numpy"]:
    import numpy

READY_FD = 9
STATE_BYTES = 12 << 20

stopping = False
rows = []


def on_term(_number, _frame):
    global stopping
    stopping = True


def remember_row():
    rows.append(bytearray(b"x" * 65536))  # here: loop thread asyncio interpreter creator exec


def grow():
    while not stopping:
        remember_row()


class Leak:
    def handle(self):
        rows.append(bytearray(b"x" * 65536))  # here: leak
        time.sleep(0.001)


def leak():
    service = Leak()
    while not stopping:
        service.handle()


def weigh(number):
    return bytearray(b"x" * 65536)  # here: callback


def callback():
    """C calls Python in the midst of a call by Python, again and again."""
    while not stopping:
        rows.append(sorted(range(16), key=weigh))
        rows.append(list(map(weigh, range(16))))


def fill_array():
    rows.append(numpy.arange(1 << 16))  # here: numpy


def fill():
    while not stopping:
        fill_array()


def parse_reply(text):
    return json.loads(text)  # here: json


def parse():
    gc.disable()  # it would look through all of it again and again
    text = "[" + "[],{}," * 100000 + "0]"
    while not stopping:
        rows.append(parse_reply(text))


def parse_large_reply(text):
    return json.loads(text)  # here: large


def parse_large():
    """In one call, at whose end its handler of SIGTERM runs."""
    gc.disable()
    text = bytearray(b"[],{},") * 4000000
    text[:0] = b"["
    text += b"0]"
    rows.append(parse_large_reply(text))
    while not stopping:
        time.sleep(0.01)


def rows_of(number):
    while True:
        rows.append(bytearray(b"x" * 65536))  # here: generator
        yield number


def generate():
    generator = rows_of(1)
    while not stopping:
        next(generator)


def thread():
    worker = threading.Thread(target=grow, daemon=True)
    worker.start()
    while not stopping:
        time.sleep(0.01)


def grow_slowly():
    """Who waits for the GIL in another interpreter does not ask for it, before 3.12."""
    while True:
        remember_row()
        time.sleep(0.0005)


def interpreters_of_this_version():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    return interpreters


def creator():
    """Has others, which do nothing."""
    interpreters = interpreters_of_this_version()
    kept = [interpreters.create() for _ in range(3)]
    grow()
    return kept


def interpreter():
    """Another interpreter of this process allocates, in a thread; this one only waits."""
    interpreters = interpreters_of_this_version()
    code = compile(open(__file__).read(), __file__, "exec")
    run = "import marshal; names = {'__name__': 'there', '__file__': %r}; exec(marshal.loads(%r), names); names['grow_slowly']()"
    run %= (__file__, marshal.dumps(code))
    threading.Thread(target=lambda: interpreters.run_string(interpreters.create(), run), daemon=True).start()
    while not stopping:
        time.sleep(0.01)
    os._exit(0)


def execute():
    """Becomes another interpreter, which begins anew, without a thing of what this one had."""
    os.execv(sys.argv[2], [sys.argv[2], __file__, "loop"])


async def answer():
    while not stopping:
        remember_row()
        await asyncio.sleep(0)


async def serve():
    await asyncio.gather(answer(), answer())


KINDS = {
    "loop": grow,
    "thread": thread,
    "asyncio": lambda: asyncio.run(serve()),
    "generator": generate,
    "json": parse,
    "large": parse_large,
    "numpy": fill,
    "leak": leak,
    "callback": callback,
    "interpreter": interpreter,
    "creator": creator,
    "exec": execute,
}


def main():
    signal.signal(signal.SIGTERM, on_term)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    rows.append(b"x" * STATE_BYTES)
    os.write(READY_FD, b"r")
    signal.sigwait({signal.SIGUSR1})
    time.sleep(1.5)
    KINDS[sys.argv[1]]()


if __name__ == "__main__":
    main()
