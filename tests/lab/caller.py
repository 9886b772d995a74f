"""A client that runs inside a pod's network, so that its traffic is redirected to the pod's proxy. Standard library and grpcio only.

In: one JSON argument `{"do": ..., ...}`. Out: one JSON line. Run by `mesh.Pair.call` through nsenter; never imported by tests.
Every loop is bounded by the numbers in its argument; every socket has a timeout.
"""

import base64
import collections
import hashlib
import http.client
import json
import os
import socket
import sys
import threading
import time
from typing import Any

TIMEOUT = 30.0


def get(
    host: str, port: int, path: str, name: str, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    connection.request("GET", path, headers={"Host": name, **(headers or {})})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body


def page(host: str, port: int, path: str) -> dict[str, Any]:
    """A text page."""
    status, _, body = get(host, port, path, host)
    return {"status": status, "body": body.decode()}


def ask(host: str, port: int, name: str, path: str, fields: dict[str, str]) -> dict[str, Any]:
    """One request with headers of its own."""
    return {"status": get(host, port, path, name, fields)[0]}


def many(
    host: str, port: int, name: str, count: int, connections: int, seconds: float = 0, path: str = "/", rest: float = 0
) -> dict[str, Any]:
    """`count` requests (or as many as fit in `seconds`) over keep-alive connections, each with `rest` seconds after it: answers by
    cluster, and failures.
    """
    clusters: collections.Counter[str] = collections.Counter()
    failures: list[str] = []
    lock = threading.Lock()
    left = [count]
    end = time.monotonic() + seconds if seconds else None

    def work() -> None:
        connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        while True:
            with lock:
                if left[0] <= 0 or (end and time.monotonic() > end):
                    break
                left[0] -= 1
            try:
                connection.request("GET", path, headers={"Host": name})
                answer = connection.getresponse()
                body = answer.read()
                with lock:
                    if answer.status == 200:
                        clusters[json.loads(body)["cluster"]] += 1
                    else:
                        failures.append(f"{answer.status} {answer.getheader('l5d-proxy-error')}")
            except (OSError, http.client.HTTPException, ValueError) as error:
                with lock:
                    failures.append(repr(error))
                connection.close()
            if rest:
                time.sleep(rest)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"clusters": clusters, "failed": len(failures), "failures": failures[:5]}


def headers(host: str, port: int, name: str) -> dict[str, Any]:
    """What the application saw of our headers."""
    status, _, body = get(host, port, "/headers", name, {"l5d-client-id": "forged", "x-marker": "seen"})
    return {"status": status, "headers": json.loads(body)}


def download(host: str, port: int, name: str, size: int) -> dict[str, Any]:
    """A body of `size` bytes, counted as it streams in."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    connection.request("GET", f"/bytes?n={size}", headers={"Host": name})
    answer = connection.getresponse()
    got = 0
    while chunk := answer.read(1 << 20):
        got += len(chunk)
    return {"status": answer.status, "bytes": got}


def upload(host: str, port: int, name: str, size: int) -> dict[str, Any]:
    """A chunked request body of `size` bytes; the application answers how many arrived."""

    def chunks() -> Any:
        sent = 0
        while sent < size:
            part = min(1 << 16, size - sent)
            yield b"x" * part
            sent += part

    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    connection.request("POST", "/upload", body=chunks(), headers={"Host": name}, encode_chunked=True)
    answer = connection.getresponse()
    return {"status": answer.status, "body": json.loads(answer.read())}


def websocket(host: str, port: int, name: str, text: str) -> dict[str, Any]:
    """RFC 6455 by hand: handshake, one masked text frame, its echo."""
    key = base64.b64encode(os.urandom(16)).decode()
    with socket.create_connection((host, port), TIMEOUT) as conn:
        lines = ["GET /ws HTTP/1.1", f"Host: {name}", "Upgrade: websocket", "Connection: Upgrade"]
        lines += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        conn.sendall("\r\n".join(lines).encode())
        stream = conn.makefile("rb")
        status = int(stream.readline().split()[1])
        seen: dict[str, str] = {}
        while line := stream.readline().strip().decode():
            field, _, value = line.partition(":")
            seen[field.lower()] = value.strip()
        accept = base64.b64encode(
            hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        ).decode()
        mask = os.urandom(4)
        data = text.encode()
        conn.sendall(bytes([0x81, 0x80 | len(data)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data)))
        head = stream.read(2)
        echo = stream.read(head[1] & 0x7F).decode()
    return {"status": status, "accepted": seen.get("sec-websocket-accept") == accept, "echo": echo}


def grpc_health(host: str, port: int, name: str, count: int) -> dict[str, Any]:
    """`count` unary calls of grpc.health.v1.Health/Check; the answer's bytes are the status field."""
    import grpc

    options = [("grpc.default_authority", f"{name}:{port}")]
    with grpc.insecure_channel(f"{host}:{port}", options=options) as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        answers = [check(b"", timeout=TIMEOUT).hex() for _ in range(count)]
        unknown = channel.unary_unary("/grpc.health.v1.Health/Nothing")
        try:
            unknown(b"", timeout=TIMEOUT)
            code = "OK"
        except grpc.RpcError as error:
            code = error.code().name
    return {"answers": sorted(set(answers)), "count": len(answers), "unknown": code}


def tcp(host: str, port: int, size: int) -> dict[str, Any]:
    """Send `size` bytes to the echo port, shut down our half, count what comes back."""
    with socket.create_connection((host, port), TIMEOUT) as conn:

        def send() -> None:
            left = size
            while left > 0:
                part = min(left, 1 << 16)
                conn.sendall(b"e" * part)
                left -= part
            conn.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        got = 0
        while chunk := conn.recv(1 << 16):
            got += len(chunk)
        sender.join()
    return {"bytes": got}


DO = {
    "page": page,
    "ask": ask,
    "many": many,
    "headers": headers,
    "download": download,
    "upload": upload,
    "websocket": websocket,
    "grpc": grpc_health,
    "tcp": tcp,
}

if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    print(json.dumps(DO[order.pop("do")](**order)))
