# SPDX-License-Identifier: BSD-2-Clause
"""A WSGI application that appends records, and grows: in one request, or by what requests leave behind.
While a request grows there is a file, which the request removes when it ends."""
import os

OWN = os.environ["SERVICE_OWN"]
kept = []


def add(value):
    with open(f"{OWN}/records", "a") as file:
        file.write(f"{value}\n")
    return value


def leak(value):
    kept.append(b"x" * (int(value) << 10))
    return str(os.getpid())


def grow(_):
    held = f"{OWN}/held"
    records = []
    try:
        with open(held, "w") as file:
            file.write(str(os.getpid()))
        while True:
            records.append([len(records)] * 100)
    finally:
        os.unlink(held)


def application(environ, start_response):
    words = {"/add": add, "/leak": leak, "/grow": grow}
    word = words.get(environ["PATH_INFO"], lambda _: "0")
    answer = word(environ["QUERY_STRING"]).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
