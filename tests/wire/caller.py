"""The lab's caller with more words: `one` request and how long it took, `several` by who answered, a TLS `hello`,
`hold` a connection.

In: an order as JSON. Out: what was seen, as JSON. Run inside a pod; never imported by tests.
"""

import collections
import contextlib
import json
import socket
import ssl
import sys
import time
from typing import Any

from tests.lab import caller


def one(host: str, port: int, name: str, path: str = "/", headers: dict[str, str] | None = None) -> dict[str, Any]:
    start = time.monotonic()
    status, answered, body = caller.get(host, port, path, name, headers)
    return {"status": status, "headers": answered, "body": body.decode(), "seconds": time.monotonic() - start}


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


def hold(host: str, port: int, seconds: float) -> dict[str, Any]:
    """One connection to an echo that speaks first, used every now and then; how often, and what ended it."""
    echoes, end = 0, time.monotonic() + seconds
    try:
        with socket.create_connection((host, port), 10) as conn:
            stream = conn.makefile("rb")
            stream.readline()
            while time.monotonic() < end:
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
    do = {**caller.DO, "one": one, "several": several, "hello": hello, "hold": hold}
    print(json.dumps(do[order.pop("do")](**order)))
