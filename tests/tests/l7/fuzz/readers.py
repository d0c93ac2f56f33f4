"""Reads requests as two of Python's HTTP libraries do: h11, and http.server of the standard library.

stdin: messages, each behind its length (4 bytes, big-endian). stdout: a line of JSON for each:
{"h11": R, "http.server": R}; R is a list of [method, target, [hosts], body in hex], or {"error": why}.
"""

import io
import json
import struct
import sys
from http.server import BaseHTTPRequestHandler

import h11


def by_h11(data):
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    connection.receive_data(b"")
    requests = []
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            hosts = [value.decode("latin-1") for name, value in event.headers if name == b"host"]
            requests.append([event.method.decode(), event.target.decode(), hosts, b""])
        elif isinstance(event, h11.Data):
            requests[-1][3] += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            connection.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            if connection.our_state is h11.MUST_CLOSE:
                return requests
            connection.start_next_cycle()
        elif isinstance(event, h11.ConnectionClosed):
            return requests
        else:
            raise ValueError(f"unfinished: {event!r}")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, data):
        self.rfile, self.wfile = io.BytesIO(data), io.BytesIO()
        self.client_address, self.requests, self.wrong = ("", 0), [], None
        self.close_connection = False
        while not self.close_connection and self.wrong is None:
            self.handle_one_request()

    def parse_request(self):
        if not super().parse_request():
            return False
        # Every method is this one.
        setattr(self, "do_" + self.command, self.keep)
        return True

    def keep(self):
        if self.headers.defects:
            raise ValueError(f"defects: {self.headers.defects}")
        if "chunked" in self.headers.get("transfer-encoding", ""):
            body = self.read_chunks()
        else:
            size = int(self.headers.get("content-length", 0))
            body = self.rfile.read(size)
            if len(body) < size:
                raise ValueError("unfinished")
        # RFC 9110, 5.5: white space around a value is no part of it; this parser leaves it at the end.
        hosts = [host.strip(" \t") for host in self.headers.get_all("host", [])]
        self.requests.append([self.command, self.path, hosts, body])

    def read_chunks(self):
        body = b""
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            if size == 0:
                while self.rfile.readline() not in (b"\r\n", b"\n"):
                    if self.rfile.tell() == len(self.rfile.getvalue()):
                        raise ValueError("unfinished")
                return body
            body += self.rfile.read(size)
            if self.rfile.readline() not in (b"\r\n", b"\n"):
                raise ValueError("a chunk's end")

    def send_error(self, code, message=None, explain=None):
        self.wrong = f"{code} {message}"
        self.close_connection = True

    def log_message(self, *_):
        pass


def by_http_server(data):
    handler = Handler(data)
    if handler.wrong is not None:
        raise ValueError(handler.wrong)
    return handler.requests


def read(reader, data):
    try:
        return [request[:3] + [request[3].hex()] for request in reader(data)]
    except Exception as error:  # Whatever it is, it did not read the message.
        return {"error": f"{type(error).__name__}: {error}"}


while size := sys.stdin.buffer.read(4):
    message = sys.stdin.buffer.read(struct.unpack(">I", size)[0])
    print(json.dumps({"h11": read(by_h11, message), "http.server": read(by_http_server, message)}), flush=True)
