"""A gRPC server whose methods do what their names say; messages are bytes.

server.py ADDRESS NAME: prints `ready`, and a line for whatever a client does to it.
"""

import sys
import time
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

ADDRESS, NAME = sys.argv[1:3]


def tell(what):
    print(what, flush=True)


def unary(request, context):
    context.set_trailing_metadata((("x-tail", "behind"), ("x-bin-bin", b"\x00\xff")))
    context.send_initial_metadata((("x-name", NAME), ("x-authority-seen", context.peer())))
    return request


def fail(request, context):
    context.set_trailing_metadata((("x-tail", "behind"),))
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now: 100 % sure, é")


def count(request, context):
    """As many messages as asked for."""
    for n in range(int(request)):
        yield b"%d" % n


def drip(request, context):
    """A message, and the next only when the client has gone."""
    context.add_callback(lambda: tell(f"drip ended, active {context.is_active()}"))
    yield b"first"
    while context.is_active():
        time.sleep(0.01)


def add(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def chat(requests, context):
    for request in requests:
        yield request.upper()


def hang(request, context):
    context.add_callback(lambda: tell("hang ended"))
    tell(f"hang has {context.time_remaining() is not None}")
    while context.is_active():
        time.sleep(0.01)
    return b""


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Hang": grpc.unary_unary_rpc_method_handler(hang),
    "Count": grpc.unary_stream_rpc_method_handler(count),
    "Drip": grpc.unary_stream_rpc_method_handler(drip),
    "Add": grpc.stream_unary_rpc_method_handler(add),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
}

server = grpc.server(
    futures.ThreadPoolExecutor(max_workers=32),
    options=(("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)),
)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Peer", METHODS),))
healthy = health.HealthServicer()
healthy.set("test.Peer", health_pb2.HealthCheckResponse.SERVING)
health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
server.add_insecure_port(ADDRESS)
server.start()
tell("ready")
server.wait_for_termination()
