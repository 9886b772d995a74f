"""Requests summed up by who, whom and what. In: events. Out: rows. Pure.

Never here: drawing. Limits: ROWS rows, the one seen longest ago goes; OPEN requests that are not over.
"""

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.tap.tell import events

ROWS = 1000
OPEN = 10_000
Key = tuple[str, ...]


@dataclass(slots=True)
class Sum:
    """One row: times in seconds until the answer began."""

    cluster: str
    source: str
    destination: str
    method: str
    path: str
    count: int = 0
    best: float = float("inf")
    worst: float = 0.0
    last: float = 0.0
    well: int = 0

    @property
    def success(self) -> float:
        return self.well / self.count if self.count else 0.0


ORDERS: dict[str, Callable[[Sum], tuple[float | str, ...]]] = {
    "count": lambda row: (-row.count,),
    "last": lambda row: (-row.last,),
    "worst": lambda row: (-row.worst,),
    "best": lambda row: (-row.best,),
    "success": lambda row: (row.success, -row.count),
    "path": lambda row: (row.path, row.source),
}
"""What rows can be sorted by, worst first."""


class Sums:
    """Adds up. `sources`: rows are told apart by who asks; `routes`: by route instead of by path."""

    def __init__(self, *, sources: bool = True, routes: bool = False) -> None:
        self._sources, self._routes = sources, routes
        self._open: dict[tuple[str, str, int, int], tuple[events.Event, events.Event | None]] = {}
        self._rows: dict[Key, Sum] = {}
        self.dropped = 0

    def take(self, event: events.Event) -> None:
        """Count an event."""
        if event.kind == events.NOTICE:
            self.dropped += event.dropped
            return
        if event.kind == events.REQUEST:
            if len(self._open) >= OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[event.key] = (event, None)
            return
        found = self._open.get(event.key)
        if found is None:
            return
        if event.kind == events.RESPONSE:
            self._open[event.key] = (found[0], event)
            return
        del self._open[event.key]
        self._add(found[0], found[1], event)

    def rows(self, order: str) -> list[Sum]:
        """All rows in an order of `ORDERS`."""
        return sorted(self._rows.values(), key=ORDERS[order])

    def _add(self, head: events.Event, answer: events.Event | None, end: events.Event) -> None:
        source = (head.source.pod or head.source.address.rpartition(":")[0]) if self._sources else ""
        destination = head.destination.pod or head.destination.address.rpartition(":")[0]
        path = head.route.get("route") or head.route.get("name") or "[default]" if self._routes else head.path
        key = (head.cluster, source, destination, head.method, path)
        row = self._rows.pop(key, None) or Sum(*key)
        self._rows[key] = row
        if len(self._rows) > ROWS:
            del self._rows[next(iter(self._rows))]
        seconds = answer.since_request if answer else end.since_request
        row.count += 1
        row.best, row.worst, row.last = min(row.best, seconds), max(row.worst, seconds), seconds
        row.well += well(answer, end)


def well(answer: events.Event | None, end: events.Event) -> bool:
    """Whether a request went well: answered, not with 5xx, not reset, and with gRPC status 0 where it has one."""
    return answer is not None and answer.status < 500 and end.reset is None and not end.grpc
