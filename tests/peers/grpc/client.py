"""A gRPC client: client.py CHECK TARGET [--ca FILE] [--authority NAME]; it ends well if what it checks holds."""

import argparse
import os
import threading

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

LONG = 20

arguments = argparse.ArgumentParser()
arguments.add_argument("check")
arguments.add_argument("target")
arguments.add_argument("--ca")
arguments.add_argument("--authority")
arguments = arguments.parse_args()

options = [("grpc.max_receive_message_length", -1), ("grpc.enable_http_proxy", 0)]
if arguments.authority:
    options.append(("grpc.default_authority", arguments.authority))
if arguments.ca:
    options.append(("grpc.ssl_target_name_override", arguments.authority))
    with open(arguments.ca, "rb") as ca:
        channel = grpc.secure_channel(arguments.target, grpc.ssl_channel_credentials(ca.read()), options)
else:
    channel = grpc.insecure_channel(arguments.target, options)

PEER = "/test.Peer/"


def unary(method):
    return channel.unary_unary(PEER + method)


def error(call):
    """What the call fails with."""
    try:
        answer = call()
        for _ in answer if hasattr(answer, "__next__") else ():
            pass
    except grpc.RpcError as failed:
        return failed
    raise AssertionError("it does not fail")


def calls():
    for message in (b"", b"hello", b"m" * 5_000_000):
        answer, call = unary("Unary").with_call(message, timeout=LONG, metadata=(("x-ask-bin", b"\x01\x00"),))
        assert answer == message, len(answer)
        assert ("x-name", "one") in call.initial_metadata(), call.initial_metadata()
        tail = dict(call.trailing_metadata())
        assert tail["x-tail"] == "behind" and tail["x-bin-bin"] == b"\x00\xff", tail
        assert call.code() == grpc.StatusCode.OK
    got = list(channel.unary_stream(PEER + "Count")(b"5000", timeout=LONG))
    assert got == [b"%d" % n for n in range(5000)], len(got)
    assert list(channel.unary_stream(PEER + "Count")(b"0", timeout=LONG)) == []
    messages = [b"x" * n for n in range(0, 100_000, 1000)]
    total = channel.stream_unary(PEER + "Add")(iter(messages), timeout=LONG)
    assert total == b"%d" % sum(map(len, messages)), total
    assert channel.stream_unary(PEER + "Add")(iter(()), timeout=LONG) == b"0"
    chat()


def chat():
    """Each message is asked for the answer to the one before."""
    answered = threading.Semaphore(1)

    def questions():
        for n in range(200):
            assert answered.acquire(timeout=LONG)
            yield b"question %d" % n

    got = 0
    for answer in channel.stream_stream(PEER + "Chat")(questions(), timeout=LONG):
        assert answer == b"QUESTION %d" % got, answer
        got += 1
        answered.release()
    assert got == 200, got


def errors():
    failed = error(lambda: unary("Fail")(b"", timeout=LONG))
    assert failed.code() == grpc.StatusCode.FAILED_PRECONDITION, failed
    assert failed.details() == "not now: 100 % sure, é", failed.details()
    assert ("x-tail", "behind") in failed.trailing_metadata(), failed
    failed = error(lambda: unary("Nothing")(b"", timeout=LONG))
    assert failed.code() == grpc.StatusCode.UNIMPLEMENTED, failed
    failed = error(lambda: channel.stream_stream(PEER + "Nothing")(iter((b"a", b"b")), timeout=LONG))
    assert failed.code() == grpc.StatusCode.UNIMPLEMENTED, failed


def deadline():
    failed = error(lambda: unary("Hang")(b"", timeout=float(os.environ.get("PEER_DEADLINE", "0.5"))))
    assert failed.code() == grpc.StatusCode.DEADLINE_EXCEEDED, failed


def cancel():
    stream = channel.unary_stream(PEER + "Drip")(b"", timeout=LONG)
    assert next(stream) == b"first"
    stream.cancel()
    failed = error(lambda: stream)
    assert failed.code() == grpc.StatusCode.CANCELLED, failed
    # The connection goes on.
    assert unary("Unary")(b"still here", timeout=LONG) == b"still here"


def check():
    stub = health_pb2_grpc.HealthStub(channel)
    answer = stub.Check(health_pb2.HealthCheckRequest(service="test.Peer"), timeout=LONG)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING, answer
    failed = error(lambda: stub.Check(health_pb2.HealthCheckRequest(service="other"), timeout=LONG))
    assert failed.code() == grpc.StatusCode.NOT_FOUND, failed
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="test.Peer"), timeout=LONG)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def spread():
    names = {}
    for _ in range(40):
        _, call = unary("Unary").with_call(b"", timeout=LONG)
        name = dict(call.initial_metadata())["x-name"]
        names[name] = names.get(name, 0) + 1
    assert sorted(names.values()) == [20, 20], names


def survive():
    for _ in range(20):
        _, call = unary("Unary").with_call(b"", timeout=LONG)
        assert dict(call.initial_metadata())["x-name"] == "two"


def refused(code):
    failed = error(lambda: unary("Unary")(b"m", timeout=LONG))
    assert failed.code() == code, failed
    print(failed.details())


def unavailable():
    refused(grpc.StatusCode.UNAVAILABLE)


def unimplemented():
    refused(grpc.StatusCode.UNIMPLEMENTED)


globals()[arguments.check]()
print("holds")
