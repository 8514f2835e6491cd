# SPDX-License-Identifier: BSD-2-Clause
"""A WSGI application of growth.py; the query of its leak is in KiB."""
import growth

WORDS = {
    "/add": growth.add,
    "/leak": lambda value: growth.leak(int(value) << 10),
    "/grow": lambda _: growth.grow(),
}


def application(environ, start_response):
    word = WORDS.get(environ["PATH_INFO"], lambda _: "0")
    answer = str(word(environ["QUERY_STRING"])).encode()
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
