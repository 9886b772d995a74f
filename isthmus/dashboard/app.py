"""What a browser may ask. In: requests that passed the guard. Out: JSON, streams, the page's files (docs/dashboard.md lists them).

Never here: what a page shows (`views`), who may look (`login`), what is refused before (`guard`).
"""

import datetime as dt
import gzip
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import isthmus
from isthmus.dashboard import clusters, files, guard, live, login, shapes, shapes_more, views, writer
from isthmus.dashboard.pages import common
from isthmus.errors import BadValue, IsthmusError
from isthmus.kube import client as kube

READ_ONLY = "this dashboard shows the cluster to everybody and changes nothing"
LARGE = 16 * 1024
S = TypeVar("S", bound=shapes.Shape)
Endpoint = Callable[[Request], Awaitable[Response | live.Stream]]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks, with whose rights."""

    who: str
    user: str
    room: clusters.Room
    may_write: bool


@dataclass(frozen=True, slots=True)
class Backend:
    """What all requests share. `own` is the room of whoever comes, where no login is wanted; `logins` where one is."""

    hub: live.Hub
    page: files.Page
    own: clusters.Room | None
    logins: login.Logins | None
    may_write: bool
    place: str
    now: Callable[[], dt.datetime]

    @property
    def may_tap(self) -> bool:
        """Requests of others are shown to viewers with rights of their own alone."""
        return self.logins is not None or self.may_write

    def viewer(self, request: Request) -> Viewer | None:
        """Who asks; None where they must log in first."""
        if self.own is not None:
            return Viewer("own", "", self.own, self.may_write)
        found = self.logins.known(request.headers.get("cookie", "")) if self.logins else None
        return Viewer(found.who, found.user, found.room, may_write=True) if found else None

    def known(self, request: Request) -> Viewer:
        """Who asks.

        Raises:
            guard.Refused: they must log in first.
        """
        found = self.viewer(request)
        if found is None:
            raise guard.Refused(401, "log in first", login.HINT)
        return found

    def session(self, viewer: Viewer | None) -> shapes.Session:
        """What the page is told at its start."""
        state = "off" if self.own is not None else "in" if viewer else "needed"
        return shapes.Session(
            version=isthmus.__version__,
            login=state,
            user=viewer.user if viewer else "",
            clusters=[c.ref for c in viewer.room.clusters] if viewer else [],
            windows=list(common.WINDOWS),
            place="machine" if self.place == "machine" else "cluster",
        )


def app(backend: Backend, more: Sequence[Route] = ()) -> Starlette:
    """The application, to be put behind `guard.Guard`. `more` are streams of single requests (see `tap`)."""
    routes = [
        Route("/api/session", told(_session(backend)), methods=["GET"]),
        Route("/api/login", told(_login(backend)), methods=["POST"]),
        Route("/api/logout", told(_logout(backend)), methods=["POST"]),
        Route("/api/view/{view}", told(_view(backend)), methods=["GET"]),
        Route("/api/live/{view}", told(_live(backend)), methods=["GET"]),
        Route("/api/split/preview", told(_split(backend, writer.preview)), methods=["POST"]),
        Route("/api/split", told(_split(backend, writer.write)), methods=["POST"]),
        *more,
        Route("/api/{rest:path}", told(_nothing), methods=["GET", "POST"]),
        Route("/{path:path}", _file(backend.page), methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers={guard.Refused: _refused, Exception: _fault})


async def _refused(_: Request, refused: Exception) -> Response:
    """A refusal as an answer."""
    if not isinstance(refused, guard.Refused):
        raise refused
    return Response(msgspec.json.encode(refused.refusal), refused.status, guard.PLAIN, "application/json")


async def _fault(_: Request, __: Exception) -> Response:
    """Our own mistake; starlette raises it once more after this answer, so that the log has it."""
    said = shapes.Refusal("the backend has a fault; its log tells it", "please report it")
    return Response(msgspec.json.encode(said), 500, guard.PLAIN, "application/json")


def told(endpoint: Endpoint) -> Endpoint:
    """`endpoint` with what it raises as an answer."""

    async def answer(request: Request) -> Response | live.Stream:
        try:
            return await endpoint(request)
        except BadValue as bad:
            raise guard.Refused(400, bad.sentence, bad.hint) from bad
        except writer.Conflict as conflict:
            raise guard.Refused(409, conflict.sentence, conflict.hint) from conflict
        except kube.ApiError as refused:
            status = refused.status if refused.status in (401, 403, 404, 409, 422) else 502
            raise guard.Refused(status, refused.sentence, refused.hint) from refused
        except IsthmusError as failed:
            raise guard.Refused(502, failed.sentence, failed.hint) from failed

    return answer


def sent(shape: shapes.Shape, headers: dict[str, str] | None = None, *, packed: bool = False) -> Response:
    """A shape as an answer; `packed` where the browser takes that, which pays for large ones."""
    data = msgspec.json.encode(shape)
    if packed and len(data) > LARGE:
        data, headers = gzip.compress(data, live.LEVEL), {"content-encoding": "gzip", **(headers or {})}
    return Response(data, media_type="application/json", headers={**guard.PLAIN, **(headers or {})})


def _session(backend: Backend) -> Endpoint:
    async def answer(request: Request) -> Response:
        return sent(backend.session(backend.viewer(request)))

    return answer


def _login(backend: Backend) -> Endpoint:
    async def answer(request: Request) -> Response:
        if backend.logins is None:
            raise guard.Refused(404, "no login is wanted here")
        said = await read(request, shapes.Login)
        value, found = await backend.logins.login(said.token)
        viewer = Viewer(found.who, found.user, found.room, may_write=True)
        return sent(backend.session(viewer), {"set-cookie": login.set_cookie(value)})

    return answer


def _logout(backend: Backend) -> Endpoint:
    async def answer(request: Request) -> Response:
        found = backend.logins.known(request.headers.get("cookie", "")) if backend.logins else None
        if found is not None and backend.logins is not None:
            await backend.logins.logout(found)
        return sent(backend.session(None), {"set-cookie": login.set_cookie("")})

    return answer


def _view(backend: Backend) -> Endpoint:
    async def answer(request: Request) -> Response:
        viewer = backend.known(request)
        view = views.view(request.path_params["view"])
        asked = views.Asked(viewer.room, views.parse(request.query_params), backend.now(), viewer.may_write)
        return sent(await view.make(asked), packed=live.takes_gzip(request.scope))

    return answer


def _live(backend: Backend) -> Endpoint:
    async def answer(request: Request) -> live.Stream:
        viewer = backend.known(request)
        name = request.path_params["view"]
        view, query = views.view(name), views.parse(request.query_params)
        viewer.room.chosen(query.cluster)

        async def look() -> shapes.Shape:
            return await view.make(views.Asked(viewer.room, query, backend.now(), viewer.may_write))

        return live.Watched(backend.hub, viewer.who, (viewer.who, (name, query)), look, view.period)

    return answer


def _split(
    backend: Backend, work: Callable[[clusters.Room, shapes_more.SplitChange], Awaitable[shapes.Shape]]
) -> Endpoint:
    async def answer(request: Request) -> Response:
        viewer = backend.known(request)
        if not viewer.may_write:
            raise guard.Refused(403, READ_ONLY, "isthmus dashboard, on your machine, writes with your own rights")
        return sent(await work(viewer.room, await read(request, shapes_more.SplitChange)))

    return answer


async def read(request: Request, shape: type[S]) -> S:
    """A request's body.

    Raises:
        guard.Refused: it is too large, too slow, or of another shape.
    """
    try:
        return msgspec.json.decode(await guard.body(request.receive), type=shape)
    except msgspec.DecodeError as error:
        raise guard.Refused(
            400, f"the body is no {shape.__name__}: {error}", json.dumps({"see": "docs/dashboard.md"})
        ) from error


async def _nothing(request: Request) -> Response:
    raise guard.Refused(404, f"there is no {request.url.path[:80]}", "docs/dashboard.md lists what can be asked")


def _file(page: files.Page) -> Endpoint:
    async def answer(request: Request) -> Response:
        found = page.find(request.url.path)
        if found is None and not page.built:
            return Response(files.MISSING, 503, media_type="text/plain")
        if found is None:
            return Response("no such file\n", 404, media_type="text/plain")
        packed = bool(found.packed) and "gzip" in request.headers.get("accept-encoding", "")
        answer = Response(found.packed if packed else found.body)
        answer.raw_headers = found.headers(packed=packed)
        return answer

    return answer
