"""The aggregated API tap.linkerd.io/v1alpha1. In: requests the API server passes on. Out: discovery documents, streams of events, refusals.

    certificate and headers (`caller`) > URL (`resource`) > review by the API server > body (`match`), which must say what the URL says >
    plan > stream

An error is a status, its sentence as header `linkerd-error`, and a framed ApiError: what Linkerd's program reads.
Never here: who is asked and how (see `plan`, `stream`). Limits: BODY bytes a request, STREAMS streams, USER of them one user's; a client
that takes nothing for STALL seconds is left; a stream lasts LIFE seconds.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import prometheus_client
from google.protobuf.message import DecodeError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from isthmus.errors import BadValue, IsthmusError
from isthmus.rpc import viz_pb2 as viz
from isthmus.rpc import viz_tap_pb2 as messages
from isthmus.serve import web
from isthmus.tap import stream
from isthmus.tap.ask import caller, match, resource
from isthmus.tap.tell import frames

GROUP, VERSION = "tap.linkerd.io", "v1alpha1"
EXTENDED = "isthmus-tap"
BODY = 1 << 20
STREAMS = 64
USER = 16
STALL = 30.0
LIFE = 3600.0
STUCK = "it stopped reading"
Doc = dict[str, Any]
Reviewed = Callable[[Doc], Awaitable[Doc]]


class Refused(Exception):
    """A status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence

    def response(self) -> Response:
        """As the client reads it."""
        said = " ".join(self.sentence.split()).encode("ascii", "replace").decode()
        body = frames.frame(viz.ApiError(error=self.sentence).SerializeToString())
        return Response(body, self.status, {"linkerd-error": said}, "application/octet-stream")


class Meters:
    """What the process counts. Labels: our handlers, status codes, where an event was dropped."""

    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        made = prometheus_client.Counter
        self.requests = made("tap_requests", "Requests answered.", ["handler", "code"], registry=registry)
        self.events = made("tap_events", "Events that proxies told.", registry=registry)
        self.lost = made("tap_events_dropped", "Events that did not reach a client.", ["where"], registry=registry)
        self.streams = prometheus_client.Gauge("tap_streams", "Streams that are open.", registry=registry)

    def seen(self, events: int) -> None:
        self.events.inc(events)

    def dropped(self, where: str, events: int) -> None:
        self.lost.labels(where).inc(events)


@dataclass
class Api:
    """Everything a request needs. `trust` gives what the API server is known by, `open_` makes a tap of what is asked."""

    trust: Callable[[], caller.Trusted]
    review: Reviewed
    open_: Callable[[match.Asked, bool], stream.Fan]
    meters: Meters
    log: Any
    users: Counter[str] = field(default_factory=Counter[str])

    async def tap(self, request: Request) -> Response:
        """A stream of events, or why there is none."""
        who = caller.user(request.scope.get(web.PEER), request.headers.items(), self.trust())
        wanted = resource.of_path(request.url.path)
        if wanted is None:
            raise Refused(404, f"{request.url.path} names nothing that can be tapped")
        caller.judge(await self.review(caller.review(who, wanted)), who, wanted)
        asked = await _asked(request)
        if asked.target != wanted:
            raise Refused(400, f"the body asks for {asked.target}, the URL for {wanted}: they must be the same")
        if self.users.total() >= STREAMS or self.users[who.name] >= USER:
            raise Refused(429, f"too many taps are open ({USER} for one user, {STREAMS} in all); end one and try again")
        fan = self.open_(asked, request.headers.get(EXTENDED) == "1")
        first = fan.planned()
        if not first.pods:
            raise Refused(404, "; ".join(first.left_out) or f"there are no pods of {wanted}")
        return Streamed(fan, self, who.name, str(wanted))

    def discovery(self, request: Request) -> Response:
        """What an aggregated API says of itself."""
        caller.user(request.scope.get(web.PEER), request.headers.items(), self.trust())
        found = _DISCOVERY.get(request.url.path.rstrip("/") or "/")
        return JSONResponse(found) if found else _missing(request.url.path)


async def _asked(request: Request) -> match.Asked:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY:
            raise Refused(413, f"a tap's request may have {BODY} bytes")
    try:
        return match.read(messages.TapByResourceRequest.FromString(bytes(body)))
    except DecodeError:
        raise Refused(400, "the body is no linkerd2.tap.TapByResourceRequest") from None


class Streamed(Response):
    """The open stream: ends with its client, its time, or a client that stops reading."""

    media_type = "application/octet-stream"

    def __init__(self, fan: stream.Fan, api: Api, user: str, target: str) -> None:
        super().__init__(status_code=200)
        self._fan, self._api, self._user, self._target = fan, api, user, target

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        began, why = time.monotonic(), "the client left"
        self._api.users[self._user] += 1
        self._api.meters.streams.inc()
        try:
            head = [(b"content-type", b"application/octet-stream"), (b"x-content-type-options", b"nosniff")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            async with asyncio.timeout(LIFE):
                why = await self._pump(receive, send)
        except TimeoutError:
            why = "its time was over"
        finally:
            self._api.meters.streams.dec()
            self._api.users[self._user] -= 1
            self._api.users += Counter()  # forgets users without a stream
            out, took = self._fan.out, round(time.monotonic() - began, 1)
            self._api.log.info(
                "tap", user=self._user, target=self._target, seconds=took, told=out.told, dropped=out.dropped, ended=why
            )
        if why == STUCK:
            scope["extensions"][web.BREAK]["now"]()
        else:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, receive: Any, send: Any) -> str:
        async def gone() -> str:
            while (await receive())["type"] != "http.disconnect":
                pass
            return "the client left"

        async def write() -> str:
            while True:
                body = await self._fan.out.take()
                try:
                    async with asyncio.timeout(STALL):
                        await send({"type": "http.response.body", "body": body, "more_body": True})
                except TimeoutError:
                    return STUCK

        async with asyncio.TaskGroup() as group:
            fan = group.create_task(self._fan.run())
            ends = [group.create_task(gone()), group.create_task(write())]
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for task in (fan, *ends):
                task.cancel()
            return next(iter(done)).result()


def application(api: Api) -> Starlette:
    """The ASGI application; every request is counted and logged by handler and status."""

    def told(handler: str, answer: Callable[[Request], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def call(request: Request) -> Response:
            try:
                made = answer(request)
                response: Response = await made if asyncio.iscoroutine(made) else made
            except caller.Denied as denied:
                response = Refused(denied.status, denied.sentence).response()
            except Refused as refused:
                response = refused.response()
            except BadValue as bad:
                response = Refused(400, f"{bad.sentence}; {bad.hint}").response()
            except IsthmusError as error:
                response = Refused(503, error.sentence).response()
            api.meters.requests.labels(handler, str(response.status_code)).inc()
            quiet = handler == "discovery" and response.status_code in (200, 404)  # the API server asks again and again
            (api.log.debug if quiet else api.log.info)(
                "request",
                method=request.method,
                path=request.url.path,
                peer=request.scope.get(web.PEER) or "",
                user=request.headers.get("x-remote-user", ""),
                status=response.status_code,
                refused=response.headers.get("linkerd-error", ""),
            )
            return response

        return call

    def healthy(_: Request) -> Response:
        return PlainTextResponse("ok")

    return Starlette(
        routes=[
            *(Route(path, told("health", healthy)) for path in ("/healthz", "/livez", "/readyz")),
            Route(f"{resource.ROOT}/watch/{{rest:path}}", told("tap", api.tap), methods=["POST"]),
            Route("/{rest:path}", told("discovery", api.discovery)),
        ]
    )


def _missing(path: str) -> Response:
    status = {"apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
    return JSONResponse({**status, "message": f"there is no {path} here"}, 404)


_GROUP_VERSION = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
_GROUP: Doc = {"name": GROUP, "versions": [_GROUP_VERSION], "preferredVersion": _GROUP_VERSION}
_RESOURCES = [
    {
        "name": f"{many}{sub}",
        "singularName": "",
        "namespaced": kind != resource.NAMESPACE,
        "kind": "Tap",
        "verbs": ["watch"],
    }
    for kind, many in sorted(resource.PLURALS.items())
    for sub in ("", "/tap")
]
_DISCOVERY: dict[str, Doc] = {
    "/": {"paths": ["/apis", f"/apis/{GROUP}", resource.ROOT, "/healthz"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]},
    f"/apis/{GROUP}": {"kind": "APIGroup", "apiVersion": "v1", **_GROUP},
    resource.ROOT: {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{VERSION}",
        "resources": _RESOURCES,
    },
}
