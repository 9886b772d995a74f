"""Pages that stay fresh. In: views, asked again and again. Out: to each viewer the newest snapshot, by server-sent events.

One poller for each (viewer's rights, view, query), however many look; it ends with its last viewer. Each viewer has one slot that holds
the newest state: a slow browser skips snapshots, and one that reads nothing for READ_TIME seconds is cut and counted.
Never here: what a snapshot is, who may look. Limits: VIEWERS streams in all, STREAMS of one session, POLL_TIME seconds a look.
"""

import asyncio
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import msgspec
import prometheus_client

from isthmus import logs
from isthmus.dashboard import guard, shapes
from isthmus.errors import IsthmusError
from isthmus.serve import latest, web

VIEWERS = 200
STREAMS = 24
"""A browser opens one stream a tab, two with tap; HTTP/1.1 lets it have six."""
POLL_TIME = 20.0
REST = 3.0
"""Times as long as a look took nobody looks: a large mesh is asked less often, not all the time."""
READ_TIME = 10.0
HEARTBEAT = 10.0
LEVEL = 1
"""Of compression: a snapshot of 2 000 services shrinks to a tenth for some 20 ms."""
GZIP = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"
"""The head of a compressed stream, which has no end of its own."""


class Slot(Protocol):
    """Where a stream's events come from."""

    async def wait(self) -> "Event":
        """The next; raises `latest.EndOfValues` after the last."""
        ...


Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[Any]]
Key = tuple[str, Hashable]
"""A session, and what it looks at."""
Look = Callable[[], Awaitable[shapes.Shape]]
_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


class Event:
    """One event, encoded once for all viewers, and compressed once when the first of them wants that."""

    def __init__(self, data: bytes) -> None:
        self.plain = data
        self._packed = b""

    @property
    def packed(self) -> bytes:
        """Blocks of deflate that lean on nothing before them, so that each stream may take up the next event with them."""
        if not self._packed:
            packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
            self._packed = packer.compress(self.plain) + packer.flush(zlib.Z_FULL_FLUSH)
        return self._packed


def event(name: str, data: shapes.Shape) -> Event:
    """One event as it is sent."""
    return Event(b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n")


_BEAT = Event(b": \n\n")


@dataclass(slots=True)
class _Poller:
    """One view under one viewer's rights."""

    slots: set[latest.Latest[Event]] = field(default_factory=set[latest.Latest[Event]])
    newest: Event | None = None
    task: asyncio.Task[Any] | None = None


class Meters:
    """What is counted of viewers."""

    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        self.viewers = prometheus_client.Gauge("dashboard_viewers", "Streams that are open now", registry=registry)
        self.pollers = prometheus_client.Gauge("dashboard_pollers", "Views that are asked for now", registry=registry)
        self.cut = prometheus_client.Counter(
            "dashboard_viewers_cut", "Streams cut because their browser read nothing", registry=registry
        )
        self.refused = prometheus_client.Counter(
            "dashboard_requests_refused", "Requests refused, by status", ["status"], registry=registry
        )


class Hub:
    """All streams of one dashboard. Pollers are tasks of `spawn`'s parent."""

    def __init__(self, spawn: Spawn, meters: Meters, log: logs.Logger) -> None:
        self._spawn = spawn
        self._log = log
        self.meters = meters
        self._pollers: dict[Key, _Poller] = {}
        self._open: Counter[str] = Counter()

    def enter(self, who: str) -> None:
        """Count one more stream of a session. `leave` must follow.

        Raises:
            guard.Refused: there are too many.
        """
        if self._open.total() >= VIEWERS:
            raise guard.Refused(429, f"{VIEWERS} viewers look already", "close some, or come back later")
        if self._open[who] >= STREAMS:
            raise guard.Refused(429, f"you have {STREAMS} streams open already", "close some tabs")
        self._open[who] += 1
        self.meters.viewers.set(self._open.total())

    def leave(self, who: str) -> None:
        """One stream less."""
        self._open[who] -= 1
        self._open += Counter()  # forgets what has come to zero
        self.meters.viewers.set(self._open.total())

    def join(self, key: Key, look: Look, period: float) -> latest.Latest[Event]:
        """A slot that gets the snapshots of `key`; the first who joins starts its poller. `part` must follow."""
        poller = self._pollers.get(key)
        if poller is None:
            poller = self._pollers[key] = _Poller()
            poller.task = self._spawn(self._poll(poller, look, period))
            self.meters.pollers.set(len(self._pollers))
        slot: latest.Latest[Event] = latest.Latest()
        poller.slots.add(slot)
        if poller.newest is not None:
            slot.set(poller.newest)
        return slot

    def busy(self, who: str) -> bool:
        """Whether a session has a stream open."""
        return self._open[who] > 0

    def end(self, who: str) -> None:
        """A session is over: its streams are told, and end."""
        for key in [key for key in self._pollers if key[0] == who]:
            poller = self._pollers.pop(key)
            self._tell(poller, event("end", shapes.Refusal("your session has ended", "log in again")))
            for slot in poller.slots:
                slot.close()
            if poller.task is not None:
                poller.task.cancel()
        self.meters.pollers.set(len(self._pollers))

    def part(self, key: Key, slot: latest.Latest[Event]) -> None:
        """A viewer goes; the last one ends the poller."""
        poller = self._pollers.get(key)
        if poller is None:
            return
        poller.slots.discard(slot)
        if not poller.slots:
            del self._pollers[key]
            self.meters.pollers.set(len(self._pollers))
            if poller.task is not None:
                poller.task.cancel()

    async def _poll(self, poller: _Poller, look: Look, period: float) -> None:
        """Look again each period, and tell what changed. A failed look is told and the next one tried."""
        before: shapes.Shape | None = None
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            try:
                async with asyncio.timeout(POLL_TIME):
                    found = await look()
            except IsthmusError as failed:
                before = None
                self._tell(poller, event("failed", shapes.Refusal(failed.sentence, failed.hint)))
            except TimeoutError:
                before = None
                said = shapes.Refusal(f"no answer within {POLL_TIME:.0f} s", "is a cluster slow? isthmus check")
                self._tell(poller, event("failed", said))
            except Exception:  # one page's fault must not end the others
                before = None
                self._log.exception("a page failed")
                self._tell(poller, event("failed", shapes.Refusal("this page has a fault; the backend's log tells it")))
            else:
                if (still := timeless(found)) != before:
                    before = still
                    self._tell(poller, event("snapshot", found))
            await asyncio.sleep(rest(clock() - began, period))

    @staticmethod
    def _tell(poller: _Poller, data: Event) -> None:
        poller.newest = data
        for slot in poller.slots:
            slot.set(data)


def rest(took: float, period: float) -> float:
    """Seconds between a look of `took` seconds and the next: as the period says, but at least REST times as long as it took."""
    return max(0.05, period - took, REST * took)


def timeless(found: shapes.Shape) -> shapes.Shape:
    """A snapshot without its time, so that two that say the same are equal."""
    head = cast("shapes.Head | None", getattr(found, "head", None))
    return msgspec.structs.replace(found, head=msgspec.structs.replace(head, at=0.0)) if head is not None else found


class Stream:
    """One viewer's stream as an ASGI application: what `slot` gets is sent until either side ends."""

    def __init__(self, hub: Hub, who: str, *, read_time: float = READ_TIME) -> None:
        self.hub = hub
        self._who = who
        self._read_time = read_time

    async def __call__(self, scope: guard.Scope, receive: guard.Receive, send: guard.Send) -> None:
        self.hub.enter(self._who)
        try:
            await self.run(scope, receive, send)
        finally:
            self.hub.leave(self._who)

    async def run(self, scope: guard.Scope, receive: guard.Receive, send: guard.Send) -> None:
        """Send until either side ends."""
        raise NotImplementedError

    async def pump(self, slot: Slot, scope: guard.Scope, receive: guard.Receive, send: guard.Send) -> None:
        """What `slot` gets goes to the browser until one of the two ends."""
        packed = takes_gzip(scope)
        headers = [*_HEADERS, (b"content-encoding", b"gzip")] if packed else _HEADERS
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if packed:
            await send({"type": "http.response.body", "body": GZIP, "more_body": True})
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(self._send(slot, scope, send, packed=packed))
            leaving = group.create_task(_gone(receive))
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            leaving.cancel()

    async def _send(self, slot: Slot, scope: guard.Scope, send: guard.Send, *, packed: bool) -> None:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    data = await slot.wait()
            except TimeoutError:
                data = _BEAT
            except latest.EndOfValues:
                await send({"type": "http.response.body", "body": b""})
                return
            try:
                async with asyncio.timeout(self._read_time):
                    await send(
                        {"type": "http.response.body", "body": data.packed if packed else data.plain, "more_body": True}
                    )
            except TimeoutError:
                self.hub.meters.cut.inc()
                _break_off(scope)
                return


class Watched(Stream):
    """A page that stays fresh."""

    def __init__(
        self, hub: Hub, who: str, key: Key, look: Look, period: float, *, read_time: float = READ_TIME
    ) -> None:
        super().__init__(hub, who, read_time=read_time)
        self._key = key
        self._look = look
        self._period = period

    async def run(self, scope: guard.Scope, receive: guard.Receive, send: guard.Send) -> None:
        slot = self.hub.join(self._key, self._look, self._period)
        try:
            await self.pump(slot, scope, receive, send)
        finally:
            self.hub.part(self._key, slot)


def takes_gzip(scope: guard.Scope) -> bool:
    """Whether a browser takes compressed answers."""
    return any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])


def _break_off(scope: guard.Scope) -> None:
    """End the connection where the server lets us; elsewhere it ends with its own time."""
    extensions = cast("dict[str, dict[str, Callable[[], None]]]", scope.get("extensions") or {})
    if web.BREAK in extensions:
        extensions[web.BREAK]["now"]()


async def _gone(receive: guard.Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
