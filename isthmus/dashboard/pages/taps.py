"""Live requests as rows. In: events of taps, or journeys joined of them. Out: batches of rows that are new or changed; the table of `top`.

What a slow browser cannot take in time is counted, never kept without a limit. Never here: streams (see `dashboard.tap`).
Limits: OPEN requests that have not ended, BATCH rows a batch, KINDS rows of `top`.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from isthmus.dashboard import shapes_more
from isthmus.dashboard.pages import common
from isthmus.tap.tell import events, join

OPEN = 5000
BATCH = 250
KINDS = 500
TOLD = 200
"""Rows of `top` that are sent."""


@dataclass(slots=True)
class Taps:
    """Events become rows by request; `batch` hands out what changed since the last."""

    seen: int = 0
    dropped: int = 0
    sentences: list[str] = field(default_factory=list[str])
    _open: OrderedDict[str, shapes_more.TapRow] = field(default_factory=OrderedDict[str, shapes_more.TapRow])
    _changed: OrderedDict[str, shapes_more.TapRow] = field(default_factory=OrderedDict[str, shapes_more.TapRow])

    def feed(self, event: events.Event, now: float) -> shapes_more.TapRow | None:
        """Take an event; the row, once its request has ended."""
        if event.kind == events.NOTICE:
            self.dropped += event.dropped
            if event.sentence:
                self.sentences = [*self.sentences, event.sentence][-8:]
            return None
        ident = "/".join(map(str, event.key))
        row = _begun(ident, event, now) if event.kind == events.REQUEST else self._open.get(ident)
        if row is None:
            return None
        if event.kind == events.REQUEST:
            self.seen += 1
        elif event.kind == events.RESPONSE:
            row = msgspec.structs.replace(row, status=event.status)
        else:
            row = _ended(row, event)
        self._keep(ident, row, over=event.kind == events.END)
        return row if event.kind == events.END else None

    def put(self, row: shapes_more.TapRow) -> None:
        """Take a row that is whole, as a joined one is."""
        self.seen += 1
        self._keep(row.id, row, over=True)

    def _keep(self, ident: str, row: shapes_more.TapRow, *, over: bool) -> None:
        if over:
            self._open.pop(ident, None)
        else:
            self._open[ident] = row
            if len(self._open) > OPEN:
                self._open.popitem(last=False)
        self._changed[ident] = row
        if len(self._changed) > BATCH:
            self._changed.popitem(last=False)
            self.dropped += 1

    @property
    def changed(self) -> bool:
        return bool(self._changed)

    def batch(self) -> shapes_more.TapBatch:
        """What changed since the last batch."""
        rows = list(self._changed.values())
        self._changed.clear()
        return shapes_more.TapBatch(rows, self.seen, self.dropped)


Direction = Literal["inbound", "outbound", "unknown"]


def _begun(ident: str, event: events.Event, now: float) -> shapes_more.TapRow:
    direction: Direction = "inbound" if event.inbound else "outbound"
    return shapes_more.TapRow(
        id=ident,
        at=now,
        cluster=event.cluster,
        direction=direction,
        source=told(event.source),
        source_pod=event.source.pod,
        destination=told(event.destination),
        destination_pod=event.destination.pod,
        secured=_secured(event),
        method=event.method,
        authority=event.authority,
        path=event.path,
        status=None,
        grpc_status=None,
        latency_ms=None,
        response_bytes=None,
        route=event.route.get("route_name") or event.route.get("route") or "",
    )


def _ended(row: shapes_more.TapRow, event: events.Event) -> shapes_more.TapRow:
    return msgspec.structs.replace(
        row, latency_ms=common.number(event.since_request * 1000), response_bytes=event.bytes, grpc_status=event.grpc
    )


def _secured(event: events.Event) -> bool | None:
    """Whether the other end of the proxy was known by its certificate; None where nothing is told of it."""
    tls = (event.source if event.inbound else event.destination).labels.get("tls")
    return None if tls is None else tls == "true"


def told(peer: events.Peer) -> str:
    """An end as people know it: the workload, else the pod, else the address."""
    labels = peer.labels
    for kind in ("deployment", "statefulset", "daemonset", "job", "cronjob", "replicationcontroller", "replicaset"):
        if kind in labels:
            return f"{kind}/{labels[kind]}.{labels.get('namespace', '')}".rstrip(".")
    return peer.pod or peer.address


def joined(journey: join.Journey, now: float) -> shapes_more.TapRow:
    """A request as all of its proxies saw it, as one row with a stage for each."""
    first, last = journey.hops[0], journey.hops[-1]
    row = _begun("/".join(map(str, first.head.key)), first.head, now - (first.ended or 0.0))
    stages = [
        shapes_more.Stage(
            cluster=hop.head.cluster,
            pod=hop.head.proxy,
            role=hop.role,
            begin_ms=common.number(hop.offset * 1000),
            end_ms=common.number((hop.offset + hop.ended) * 1000) if hop.ended is not None else None,
        )
        for hop in journey.hops
    ]
    return msgspec.structs.replace(
        row,
        destination=told(last.head.destination),
        destination_pod=last.head.proxy if last.head.inbound and last.head.proxy else last.head.destination.pod,
        status=first.status,
        grpc_status=first.grpc,
        latency_ms=common.number((first.ended or 0.0) * 1000),
        response_bytes=first.bytes,
        stages=stages,
        joined=journey.how,
        candidates=journey.rivals,
    )


@dataclass(slots=True)
class _Sum:
    """Requests of one kind so far."""

    count: int = 0
    well: int = 0
    best: float = float("inf")
    worst: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class Tops:
    """Requests summed by who calls whom for what."""

    left_out: int = 0
    _sums: dict[tuple[str, str, str, str, str], _Sum] = field(
        default_factory=dict[tuple[str, str, str, str, str], _Sum]
    )

    def add(self, row: shapes_more.TapRow) -> None:
        """Count a request that has ended."""
        key = (row.cluster, row.source, row.destination, row.method, row.path.partition("?")[0])
        if key not in self._sums and len(self._sums) >= KINDS:
            self.left_out += 1
            return
        found = self._sums.setdefault(key, _Sum())
        took = row.latency_ms or 0.0
        found.count += 1
        found.well += (row.status or 0) < 500 and not row.grpc_status
        found.best, found.worst, found.last = min(found.best, took), max(found.worst, took), took

    def table(self, taps: Taps) -> shapes_more.TopTable:
        """The table as it stands, most asked first."""
        order = sorted(self._sums.items(), key=lambda kv: -kv[1].count)[:TOLD]
        rows = [
            shapes_more.TopRow(*key, s.count, s.best, s.worst, s.last, common.number(s.well / s.count))
            for key, s in order
        ]
        return shapes_more.TopTable(rows, taps.seen, taps.dropped, self.left_out)
