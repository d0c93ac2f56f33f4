"""A WebSocket client: client.py CHECK ADDRESS PORT NAME [CA]; it ends well if what it checks holds."""

import os
import socket
import ssl
import sys

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

LONG = 20

check, address, port, name = sys.argv[1:5]
ca = sys.argv[5] if len(sys.argv) > 5 else None


def open_at(path, **more):
    sock = socket.create_connection((address, int(port)), timeout=LONG)
    if ca:
        more["ssl"] = ssl.create_default_context(cafile=ca)
    scheme = "wss" if ca else "ws"
    return connect(f"{scheme}://{name}{path}", sock=sock, max_size=None, proxy=None, compression=None, **more)


def messages():
    with open_at("/") as connection:
        for message in ("hello", "", b"\x00\xff", "é" * 100_000, os.urandom(8_000_000)):
            connection.send(message)
            assert connection.recv(timeout=LONG) == message, len(message)
        for _ in range(20):
            assert connection.ping().wait(LONG)
        connection.send(f"{n}" for n in range(1000))
        assert connection.recv(timeout=LONG) == "".join(f"{n}" for n in range(1000))
        connection.close(4002, "I go")


def leave():
    with open_at("/leave") as connection:
        assert connection.recv(timeout=LONG) == "bye"
        try:
            connection.recv(timeout=LONG)
            raise AssertionError("it does not leave")
        except ConnectionClosed:
            assert (connection.close_code, connection.close_reason) == (4001, "I leave")


def refuse():
    try:
        open_at("/refuse")
        raise AssertionError("it is let in")
    except InvalidStatus as refused:
        assert refused.response.status_code == 403, refused
        assert refused.response.body == b"not you\n", refused.response.body


def wait():
    """Until the connection is over; it is told nothing."""
    with open_at("/", ping_interval=None) as connection:
        connection.send("once")
        assert connection.recv(timeout=LONG) == "once"
        print("waits", flush=True)
        try:
            connection.recv(timeout=LONG)
            raise AssertionError("something came")
        except ConnectionClosed:
            pass


globals()[check]()
print("holds")
