#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""orders.py DIR [--by-line]: a web service (WSGI) that answers GET /total with the sum of all orders of its export,
DIR/orders, one of them a line, as JSON; orders.py DIR --make N makes that. It asks itself for the total, prints it and
ends. SIGTERM ends a request, which is answered with 503; it writes DIR/state and exits with 0. With --by-line it is mended: it has one order
in memory at a time."""
import argparse
import json
import os
import signal
import threading
import urllib.error
import urllib.request
import wsgiref.simple_server

stopping = False


class Stopping(Exception):
    pass


def on_term(_number, _frame):
    global stopping
    stopping = True
    raise Stopping


def write_export(path, count):
    with open(path, "w") as file:
        for number in range(count):
            order = {"number": number, "customer": "customer %d" % (number % 1000), "items": ["a", "b"], "price": 5}
            file.write(json.dumps(order) + "\n")


def read_orders(path):
    with open(path) as file:
        return [json.loads(line) for line in file]  # here: orders


def each_order(path):
    with open(path) as file:
        for line in file:
            yield json.loads(line)


def make_application(path, read):
    def application(environ, start_response):
        if environ["PATH_INFO"] != "/total":
            start_response("404 Not Found", [])
            return []
        try:
            total = sum(order["price"] for order in read(path))
        except Stopping:
            start_response("503 Service Unavailable", [])
            return []
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"%d\n" % total]

    return application


class QuietHandler(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


def ask(url):
    try:
        print(urllib.request.urlopen(url).read().decode(), end="", flush=True)
    except urllib.error.HTTPError as error:
        print(error, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("dir")
    parser.add_argument("--by-line", action="store_true")
    parser.add_argument("--make", type=int)
    options = parser.parse_args()
    path = os.path.join(options.dir, "orders")

    if options.make:
        write_export(path, options.make)
        return
    signal.signal(signal.SIGTERM, on_term)
    application = make_application(path, each_order if options.by_line else read_orders)
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, application, handler_class=QuietHandler)
    url = "http://127.0.0.1:%d/total" % server.server_port
    client = threading.Thread(target=ask, args=(url,))
    client.start()
    try:
        server.handle_request()
        client.join()
    except Stopping:
        pass
    with open(os.path.join(options.dir, "state"), "w") as file:
        file.write("stopped\n" if stopping else "done\n")


main()
