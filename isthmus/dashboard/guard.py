"""Who may ask at all. In: a request's head. Out: it goes on, with headers that bind the browser; or it is refused with a sentence.

Against a page of elsewhere that a viewer's browser has open too: the Host must be one of ours (DNS rebinding), what changes or streams
must come from our own page, and no script or frame of others runs in it. Never here: who the viewer is (see `login`).
Limits: BODY bytes and BODY_TIME seconds a body, ANSWER_TIME seconds an answer that is no stream.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from isthmus.dashboard import shapes

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY = 64 * 1024
BODY_TIME = 10.0
ANSWER_TIME = 30.0
LOCAL = r"^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$"
"""Hosts of a dashboard that runs on its viewer's machine, or behind a port-forward."""
STREAMS = ("/api/live/", "/api/tap", "/api/top")
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
PLAIN = {"cache-control": "no-store"}
"""What every answer of the API says of being kept."""
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, sentence: str, hint: str = "") -> None:
        super().__init__(sentence)
        self.status = status
        self.refusal = shapes.Refusal(sentence, hint)


def judge(method: str, path: str, headers: Mapping[str, str], hosts: re.Pattern[str]) -> None:
    """Let a request's head pass.

    Raises:
        Refused: why not.
    """
    host = headers.get("host", "")
    if not hosts.fullmatch(host):
        raise Refused(
            421,
            f"Host {host[:80]!r} is not a name of this dashboard",
            "open it as http://localhost:PORT; in a cluster --enforced-host says which names are taken",
        )
    changes = method not in ("GET", "HEAD")
    if not changes and not path.startswith("/api/"):
        return
    _own_page(headers, host, changes=changes)
    if changes:
        _body(method, headers)


def _own_page(headers: Mapping[str, str], host: str, *, changes: bool) -> None:
    """Browsers say where a request comes from in two ways; either that is foreign refuses, and a change needs one of them."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin.partition("://")[2] != host:
        raise Refused(403, f"Origin {origin[:80]!r} is not this dashboard", "open the dashboard's own address")
    if site not in (None, "same-origin", "none"):
        raise Refused(
            403,
            f"the request comes from another page (Sec-Fetch-Site {site[:20]!r})",
            "open the dashboard's own address",
        )
    if changes and origin is None and site != "same-origin":
        raise Refused(
            403, "a change must say where it comes from", "send the header Origin with the dashboard's own address"
        )


def _body(method: str, headers: Mapping[str, str]) -> None:
    if method != "POST":
        raise Refused(405, f"{method[:20]} is not a way to ask", "GET or POST")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refused(415, f"content-type {headers.get('content-type', '')[:40]!r} is not taken", "application/json")
    length = headers.get("content-length", "")
    if length and (not length.isdigit() or int(length) > BODY):
        raise Refused(413, f"the body has {length[:20]} bytes; at most {BODY} are taken")


async def body(receive: Receive) -> bytes:
    """A request's whole body.

    Raises:
        Refused: too large, or too slow.
    """
    found = b""
    try:
        async with asyncio.timeout(BODY_TIME):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "the body ended early")
                found += message.get("body", b"")
                if len(found) > BODY:
                    raise Refused(413, f"the body has more than {BODY} bytes")
                if not message.get("more_body"):
                    return found
    except TimeoutError:
        raise Refused(408, f"the body did not come within {BODY_TIME:.0f} s") from None


class Guard:
    """The application behind its gate. `refused` is told of every refusal, by status."""

    def __init__(
        self,
        app: App,
        hosts: re.Pattern[str],
        refused: Callable[[int], None] = lambda _: None,
        *,
        answer_time: float = ANSWER_TIME,
    ) -> None:
        self._answer_time = answer_time
        self._app = app
        self._hosts = hosts
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise Refused(400, f"{scope['type']} is not spoken here")
        begun = False

        async def bound(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                if message["status"] >= 400:
                    self._refused(message["status"])
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        try:
            judge(scope["method"], scope["path"], _headers(scope), self._hosts)
            await self._answer(scope, receive, bound)
        except Refused as refused:
            if begun:
                raise
            await refuse(bound, refused)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(STREAMS):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._answer_time):
                await self._app(scope, receive, send)
        except TimeoutError:
            raise Refused(
                504, f"no answer within {self._answer_time:g} s", "is a cluster slow? isthmus check"
            ) from None


def _headers(scope: Scope) -> dict[str, str]:
    """The first of each name: a second Host or Origin says nothing to us."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))
    return found


async def refuse(send: Send, refused: Refused) -> None:
    """A refusal as an answer."""
    data = msgspec.json.encode(refused.refusal)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(data)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": data})
