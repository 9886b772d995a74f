"""The metrics API by HTTP: `POST /rpc/<service>/<method>`, protobuf both ways; `GET /targets?namespaces=a,b` for Prometheus.

In: requests of an ASGI server. Out: answers. It is how the CLI and the dashboard come in, through the API server's proxy. A refusal is
a status and a sentence as plain text. Until the whole cluster is known everything is refused: Prometheus then keeps its targets.
Limits: BODY bytes a question, AT_ONCE questions, SECONDS a question; more are refused at once. Never here: answers.
"""

import asyncio
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.protobuf import message

from isthmus.errors import IsthmusError, Unreachable
from isthmus.serve import grpc, refusal
from isthmus.viz.cluster import targets, world

BODY = 1024 * 1024
AT_ONCE = 64
SECONDS = 20.0
CONTENT, TEXT = "application/x-protobuf", "text/plain; charset=utf-8"
Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Method = Callable[[bytes], Awaitable[bytes]]
"""Wire form in, wire form out."""


class _Over(Exception):
    """More than BODY bytes came."""


class Door:
    """An ASGI application over methods by `<service>/<method>`. `whole`: the cluster is known."""

    def __init__(self, methods: Mapping[str, Method], known: world.World, whole: Callable[[], bool]) -> None:
        self._methods = methods
        self._known = known
        self._whole = whole
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body, kind = await self._answer(scope, receive)
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes, str]:
        if not self._whole():
            return 503, b"the cluster is being read\n", TEXT
        if scope["path"] == "/targets" and scope["method"] == "GET":
            asked = urllib.parse.parse_qs(bytes(scope["query_string"]).decode("latin-1")).get("namespaces", [""])[0]
            return 200, targets.page(self._known.pods.values(), set(filter(None, asked.split(",")))), "application/json"
        status, body = await self._call(scope, receive)
        return status, body, CONTENT if status == 200 else TEXT

    async def _call(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        path = str(scope["path"])
        method = self._methods.get(path.removeprefix("/rpc/")) if path.startswith("/rpc/") else None
        if method is None:
            return 404, b"no such method; there are /rpc/linkerd2.viz.Api/StatSummary and its like\n"
        if scope["method"] != "POST":
            return 405, b"POST a protobuf message\n"
        if self._open >= AT_ONCE:
            return 429, f"{AT_ONCE} questions are being answered; ask again\n".encode()
        self._open += 1
        try:
            async with asyncio.timeout(SECONDS):
                return 200, await method(await _body(receive))
        except Exception as error:
            return _told(error)
        finally:
            self._open -= 1


def _told(error: Exception) -> tuple[int, bytes]:
    match error:
        case _Over():
            return 413, f"a question may have {BODY} bytes\n".encode()
        case TimeoutError():
            return 504, f"no answer in {SECONDS:.0f} s\n".encode()
        case refusal.Refused() | grpc.Refusal():
            return 400, f"{error.sentence}\n".encode()
        case Unreachable():
            # Not 503: the API server's own word for a metrics API that is away.
            return 424, f"{error.sentence}\n".encode()
        case IsthmusError():
            return 422, f"{error.sentence}\n".encode()
        case message.DecodeError():
            return 400, b"the body is not this method's message\n"
        case _:
            raise error


async def _body(receive: Receive) -> bytes:
    held = bytearray()
    while True:
        event = await receive()
        if event["type"] != "http.request":
            return b""
        held += event.get("body", b"")
        if len(held) > BODY:
            raise _Over
        if not event.get("more_body"):
            return bytes(held)
