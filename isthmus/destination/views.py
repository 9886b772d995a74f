"""Snapshots shared by the streams that would see the same, and their updates encoded once. In: a world, who asks. Out: bytes to send.

A view belongs to (Service port, hostname, client zone, and the client's node where the Service keeps to its node). It is derived again
when its topic rang, at the next question; updates from one snapshot to the next are kept for the other streams.
Never here: time (callers say what time it is), I/O. Limits: a view without streams is forgotten after IDLE seconds; DIFFS updates a view.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from isthmus.destination import ask, endpoints, wire, world
from isthmus.serve import topics

IDLE = 60.0
DIFFS = 8

Sent = endpoints.Snapshot | None


@dataclass(frozen=True, slots=True)
class Place:
    """What makes two clients see the same."""

    asked: ask.Named
    zone: str
    node: str


def place(known: world.World, asked: ask.Named, client: ask.Client) -> Place:
    """Where a client stands with regard to a Service."""
    found = known.services.get(asked.service)
    node = client.node if found and found.local_only else ""
    return Place(asked, known.zones.get(client.node, ""), node)


@dataclass(slots=True)
class View:
    """One snapshot, derived when needed. `streams` use it now; `idle_since` tells since when none does."""

    derive: Callable[[], endpoints.Snapshot]
    leave: Callable[[], None] = lambda: None
    streams: int = 0
    idle_since: float = 0.0
    stale: bool = True
    now: endpoints.Snapshot = endpoints.GONE
    _diffs: dict[int, tuple[Sent, tuple[bytes, ...]]] = field(default_factory=dict[int, tuple[Sent, tuple[bytes, ...]]])

    def soil(self) -> None:
        """Something it rests on changed."""
        self.stale = True

    def updates(self, before: Sent) -> tuple[endpoints.Snapshot, tuple[bytes, ...]]:
        """The snapshot as it is now, and what to send to a stream that was last told `before`."""
        if self.stale:
            fresh = self.derive()
            self.stale = False
            if fresh != self.now or not self._diffs:
                self.now = fresh
                self._diffs.clear()
        if before is self.now:
            return self.now, ()
        kept = self._diffs.get(id(before))
        if kept is None:
            kept = (before, tuple(u.SerializeToString() for u in wire.updates(before, self.now)))
            if len(self._diffs) >= DIFFS:
                self._diffs.pop(next(iter(self._diffs)))
            # `before` is kept with its updates, so that its id cannot come to mean another snapshot.
            self._diffs[id(before)] = kept
        return self.now, kept[1]


class Views:
    """The views in use, and those that were a moment ago."""

    def __init__(self, known: world.World, board: topics.Board) -> None:
        self._known = known
        self._board = board
        self._views: dict[Place, View] = {}

    def __len__(self) -> int:
        return len(self._views)

    @property
    def streams(self) -> int:
        return sum(v.streams for v in self._views.values())

    def take(self, where: Place) -> View:
        """The view of a place, for one more stream.

        Raises:
            topics.Full: too many are in use.
        """
        found = self._views.get(where)
        if found is None:
            found = View(lambda: endpoints.at(self._known, where.asked, where.node, where.zone))
            found.leave = self._board.join((where.asked.service,), found.soil)
            self._views[where] = found
        found.streams += 1
        return found

    def give_back(self, view: View, now: float) -> None:
        """A stream has ended."""
        view.streams -= 1
        view.idle_since = now

    def sweep(self, now: float) -> int:
        """Forget what nobody has used for IDLE seconds; returns how many views went."""
        old = [p for p, v in self._views.items() if v.streams == 0 and now - v.idle_since >= IDLE]
        for where in old:
            self._views.pop(where).leave()
        return len(old)


@dataclass(slots=True)
class Seat:
    """One stream's hold on a view. It moves when the place does, for instance when a Service begins to keep to its nodes."""

    known: world.World
    views: Views
    asked: ask.Named
    client: ask.Client
    before: Sent = None
    _where: Place | None = None
    _view: View | None = None

    def look(self, now: float) -> tuple[bytes, ...]:
        """What is to be sent to agree with the world.

        Raises:
            topics.Full: there is no room for one more view.
        """
        where = place(self.known, self.asked, self.client)
        if self._view is None or where != self._where:
            self.leave(now)
            self._view, self._where = self.views.take(where), where
        self.before, news = self._view.updates(self.before)
        return news

    def leave(self, now: float) -> None:
        """The stream has ended, or moves."""
        if self._view is not None:
            self.views.give_back(self._view, now)
            self._view = None
