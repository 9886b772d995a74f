"""The lab's caller with more words: `one` request or `rpc` and how long it took, `several` by who answered, a TLS `hello`,
`hold` a connection.

In: an order as JSON. Out: what was seen, as JSON. Run inside a pod; never imported by tests.
"""

import collections
import contextlib
import http.client
import json
import pathlib
import socket
import ssl
import sys
import time
from typing import Any

from tests.lab import caller


def one(
    host: str, port: int, name: str, path: str = "/", headers: dict[str, str] | None = None, body: str = ""
) -> dict[str, Any]:
    """A GET, or a POST when there is a body. Status 0: the connection broke off."""
    start = time.monotonic()
    connection = http.client.HTTPConnection(host, port, timeout=caller.TIMEOUT)
    try:
        method = "POST" if body else "GET"
        connection.request(method, path, body=body.encode() or None, headers={"Host": name, **(headers or {})})
        answer = connection.getresponse()
        status, fields = answer.status, {k.lower(): v for k, v in answer.getheaders()}
        text = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        status, fields, text = 0, {}, repr(error)
    finally:
        connection.close()
    return {"status": status, "headers": fields, "body": text, "seconds": time.monotonic() - start}


def rpc(host: str, port: int, name: str, method: str, request: str) -> dict[str, Any]:
    """One unary call; the client library's own retries are off."""
    import grpc

    options = [("grpc.default_authority", f"{name}:{port}"), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(f"{host}:{port}", options=options) as channel:
        try:
            answer = channel.unary_unary(f"/grpc.health.v1.Health/{method}")(request.encode(), timeout=caller.TIMEOUT)
            return {"code": "OK", "answer": answer.decode()}
        except grpc.RpcError as error:
            return {"code": error.code().name, "answer": error.details()}


def ends(host: str, port: int, name: str, counts: dict[str, int]) -> dict[str, int]:
    """Calls on one connection, so many of each gRPC status; how many ended with which."""
    import grpc

    seen = collections.Counter[str]()
    options = [("grpc.default_authority", f"{name}:{port}"), ("grpc.enable_retries", 0)]
    with grpc.insecure_channel(f"{host}:{port}", options=options) as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Ends")
        for status in (one for one, count in counts.items() for _ in range(count)):
            try:
                call(status.encode(), timeout=caller.TIMEOUT)
                seen["OK"] += 1
            except grpc.RpcError as error:
                seen[error.code().name] += 1
    return dict(seen)


def several(host: str, port: int, name: str, path: str, count: int) -> dict[str, int]:
    """Requests one after the other on connections of their own: answers by application and status."""
    seen = collections.Counter[str]()
    for _ in range(count):
        status, headers, _ = caller.get(host, port, path, name)
        seen[f"{headers.get('x-app', 'proxy')} {status}"] += 1
    return dict(seen)


def hello(host: str, port: int, name: str) -> dict[str, Any]:
    """A TLS client hello for `name` (none: other bytes), and the first line that comes back; none where the connection is closed."""
    outgoing = ssl.MemoryBIO()
    session = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name or None)
    with contextlib.suppress(ssl.SSLWantReadError):
        session.do_handshake()
    with socket.create_connection((host, port), 10) as conn:
        conn.sendall(outgoing.read() if name else b"no hello at all")
        try:
            line = conn.recv(64)
        except ConnectionError:
            line = b""
    return {"line": line[:6].decode()}


def hold(host: str, port: int, seconds: float, until: str) -> dict[str, Any]:
    """One connection to an echo that speaks first, used every now and then until a file is there; how often, and what ended it."""
    echoes, end = 0, time.monotonic() + seconds
    try:
        with socket.create_connection((host, port), 10) as conn:
            stream = conn.makefile("rb")
            stream.readline()
            while time.monotonic() < end and not pathlib.Path(until).exists():
                conn.sendall(b"x")
                if stream.read(1) != b"x":
                    return {"echoes": echoes, "error": "ended"}
                echoes += 1
                time.sleep(0.1)
    except OSError as error:
        return {"echoes": echoes, "error": repr(error)}
    return {"echoes": echoes, "error": ""}


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    do = {**caller.DO, "one": one, "rpc": rpc, "ends": ends, "several": several, "hello": hello, "hold": hold}
    print(json.dumps(do[order.pop("do")](**order)))
