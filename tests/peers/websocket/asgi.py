"""server.py again, for HTTP/2 in the clear as well (RFC 8441): asgi.py HOST PORT, by Hypercorn."""

import asyncio
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config


async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    if scope["type"] != "websocket":
        return
    await receive()
    if scope["path"] == "/refuse":
        await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"not you\n"})
        return
    names = {name for name, _ in scope["headers"]}
    assert b"sec-websocket-key" not in names or scope["http_version"] != "2", names
    await send({"type": "websocket.accept"})
    if scope["path"] == "/leave":
        await send({"type": "websocket.send", "text": "bye"})
        await send({"type": "websocket.close", "code": 4001, "reason": "I leave"})
    while (event := await receive())["type"] == "websocket.receive":
        key = "text" if event.get("text") is not None else "bytes"
        await send({"type": "websocket.send", key: event[key]})
    print(f"closed {event.get('code')} over HTTP/{scope['http_version']}", flush=True)


async def main(host, port):
    config = Config()
    config.bind = [f"{host}:{port}"]
    config.websocket_max_message_size = 64 << 20
    server = asyncio.create_task(serve(app, config, shutdown_trigger=asyncio.Future))
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
            writer.close()
            break
        except OSError:
            await asyncio.sleep(0.01)
    print("ready", flush=True)
    await server


asyncio.run(main(*sys.argv[1:3]))
