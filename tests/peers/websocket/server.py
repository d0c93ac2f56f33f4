"""A WebSocket server: server.py HOST PORT. What it does is in the path; it prints how each connection ended."""

import asyncio
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


def refuse(connection, request):
    if request.path == "/refuse":
        return connection.respond(403, "not you\n")
    return None


async def handle(connection):
    try:
        if connection.request.path == "/leave":
            await connection.send("bye")
            await connection.close(4001, "I leave")
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass
    print(f"closed {connection.close_code} {connection.close_reason}", flush=True)


async def main(host, port):
    async with serve(handle, host, int(port), process_request=refuse, max_size=None, compression=None):
        print("ready", flush=True)
        await asyncio.Future()


asyncio.run(main(*sys.argv[1:3]))
