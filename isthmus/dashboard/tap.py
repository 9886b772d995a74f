"""Live requests to a browser. In: what it wants tapped. Out: events `tap` or `top`, with the viewer's own rights in each cluster.

A stream is asked of the tap service as long as a browser reads it: one that goes ends its taps. Never here: rows (see `pages.taps`),
how requests are matched across clusters (see `isthmus.tap.tell.join`). Limits: those of `live`, of `pages.taps`, MOST requests a
second.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from isthmus import names
from isthmus.dashboard import app, guard, live, shapes, shapes_more, views
from isthmus.dashboard.pages import taps
from isthmus.errors import BadValue, IsthmusError
from isthmus.serve import latest
from isthmus.tap import client, several
from isthmus.tap.ask import resource
from isthmus.tap.tell import events, join

EVERY, TOP_EVERY = 0.25, 1.0
SHARED = 10
"""The rate of a joined tap over the asked one."""
MOST = 1000.0
EXAMPLE = "cluster=east&namespace=demo&kind=deployment&name=web"


def routes(backend: app.Backend) -> list[Route]:
    """The two streams."""
    if not backend.may_tap:
        return []
    return [
        Route("/api/tap", app.told(_endpoint(backend, top=False)), methods=["GET"]),
        Route("/api/top", app.told(_endpoint(backend, top=True)), methods=["GET"]),
    ]


def _endpoint(backend: app.Backend, *, top: bool) -> app.Endpoint:
    async def answer(request: Request) -> Response | live.Stream:
        viewer = backend.known(request)
        asked = parse(dict(request.query_params))
        return Tapped(backend.hub, viewer.who, sources(viewer, asked), asked, top=top)

    return answer


def parse(said: dict[str, str]) -> shapes_more.TapAsk:
    """The query of a tap.

    Raises:
        BadValue: a part is missing, unknown or malformed.
    """
    try:
        asked = msgspec.convert(said, shapes_more.TapAsk, strict=False)
    except msgspec.ValidationError as error:
        raise BadValue("the query of a tap", str(error), EXAMPLE) from error
    unknown = set(said) - {f.encode_name for f in msgspec.structs.fields(shapes_more.TapAsk)}
    if unknown:
        raise BadValue("the query of a tap", min(unknown), EXAMPLE, why="unknown")
    for key in ("cluster", "namespace", "name", "to_namespace", "to_name"):
        value = getattr(asked, key)
        if (value or key == "namespace") and not views.NAME.match(value):
            raise BadValue(key, value[:80], EXAMPLE, why="not a name")
    if not 0 < asked.max_rps <= MOST:
        raise BadValue("maxRps", asked.max_rps, "100", why=f"more than 0, at most {MOST:.0f}")
    return asked


def sources(viewer: app.Viewer, asked: shapes_more.TapAsk) -> list[several.Source]:
    """Whom to tap: the subject in its cluster. To join, in every cluster the namespaces of both ends and the gateways: a request's next
    proxy is in one of them.
    """
    at = viewer.room.chosen(asked.cluster)[0]
    target = resource.Resource(resource.kind(asked.kind, key="kind"), asked.namespace, asked.name)
    goal = None
    if asked.to_kind:
        kind = resource.kind(asked.to_kind, key="toKind")
        goal = resource.Resource(kind, asked.to_namespace or asked.namespace, asked.to_name)
    if not asked.join:
        wish = client.Wish(target, goal, "", asked.method, "", asked.authority, asked.path, asked.max_rps)
        return [several.Source(at.name, at.client, wish)]
    spaces = dict.fromkeys([asked.namespace, asked.to_namespace or asked.namespace, names.MULTICLUSTER_NS])
    found: list[several.Source] = []
    for one in viewer.room.clusters:
        for space in spaces:
            whole = resource.Resource(resource.NAMESPACE, space)
            # The destination is the first hop's alone. The rate is shared by pods that see other requests.
            wish = client.Wish(whole, method=asked.method, path=asked.path, rps=asked.max_rps * SHARED, headers=True)
            quiet = one.name != at.name or space != asked.namespace
            found.append(several.Source(one.name, one.client, wish, quiet=quiet))
    return found


def begins(asked: shapes_more.TapAsk, hop: join.Hop) -> bool:
    """Whether a journey may begin at a hop: it left the subject, for where it was to go."""
    return (
        hop.head.cluster == asked.cluster
        and _is(hop.head.source, asked.namespace, asked.kind, asked.name)
        and _is(hop.head.destination, asked.to_namespace, asked.to_kind, asked.to_name)
        and asked.authority in ("", hop.head.authority)
    )


def _is(end: events.Peer, namespace: str, kind: str, name: str) -> bool:
    """Whether an end is of a resource, as far as that is said."""
    if namespace and end.labels.get("namespace", namespace) != namespace:
        return False
    word = resource.kind(kind, key="kind") if kind else ""
    return not name or word == resource.NAMESPACE or end.labels.get(word) == name


@dataclass(slots=True)
class _Feed:
    """What comes of the taps, and how it ended."""

    asked: shapes_more.TapAsk
    rows: taps.Taps
    sums: taps.Tops
    joiner: join.Joiner
    over: IsthmusError | None = None
    ended: bool = False

    async def run(self, wanted: Sequence[several.Source]) -> None:
        """Take events until all taps have ended."""
        clock = asyncio.get_running_loop().time
        try:
            async for _, event in several.follow(wanted):
                self._take(event, clock())
        except IsthmusError as refused:
            self.over = refused
        self.ended = True

    def _take(self, event: events.Event, now: float) -> None:
        if self.asked.join and event.kind != events.NOTICE:
            self.joiner.feed(event, now)
        elif (row := self.rows.feed(event, time.time())) is not None:
            self.sums.add(row)

    def settle(self, now: float) -> None:
        """Joined requests are rows once nothing more is awaited of them."""
        for journey in self.joiner.take(now) if self.asked.join else ():
            row = taps.joined(journey, time.time())
            self.rows.put(row)
            self.sums.add(row)


class Batches:
    """A slot whose values are made when the browser takes them: a slow one gets fewer and is told what it missed."""

    def __init__(self, feed: _Feed, *, top: bool) -> None:
        self._feed = feed
        self._top = top
        self._said: shapes_more.TopTable | None = None
        self._finished = False

    async def wait(self) -> live.Event:
        """The next batch.

        Raises:
            latest.EndOfValues: the taps have ended, and that was told.
        """
        while True:
            if self._finished:
                raise latest.EndOfValues
            await asyncio.sleep(TOP_EVERY if self._top else EVERY)
            self._feed.settle(asyncio.get_running_loop().time())
            if (found := self._news()) is not None:
                return found
            if self._feed.ended:
                self._finished = True
                return self._end()

    def _news(self) -> live.Event | None:
        if self._top:
            table = self._feed.sums.table(self._feed.rows)
            if table == self._said:
                return None
            self._said = table
            return live.event("top", table)
        return live.event("tap", self._feed.rows.batch()) if self._feed.rows.changed else None

    def _end(self) -> live.Event:
        over = self._feed.over
        if over is not None:
            return live.event("end", shapes.Refusal(over.sentence, over.hint))
        told = "; ".join(dict.fromkeys(self._feed.rows.sentences))
        return live.event("end", shapes.Refusal(told or "the tap has ended", "start it again"))


class Tapped(live.Stream):
    """One viewer's tap."""

    def __init__(
        self, hub: live.Hub, who: str, wanted: Sequence[several.Source], asked: shapes_more.TapAsk, *, top: bool
    ) -> None:
        super().__init__(hub, who)
        self._wanted = wanted
        self._asked = asked
        self._top = top

    async def run(self, scope: guard.Scope, receive: guard.Receive, send: guard.Send) -> None:
        feed = _Feed(self._asked, taps.Taps(), taps.Tops(), join.Joiner(lambda hop: begins(self._asked, hop)))
        async with asyncio.TaskGroup() as group:
            work = group.create_task(feed.run(self._wanted))
            try:
                await self.pump(Batches(feed, top=self._top), scope, receive, send)
            finally:
                work.cancel()
