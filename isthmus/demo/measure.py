"""From a client proxy's metrics page to the rows a person reads. Pure: two pages and the seconds between them in, rows out.

In: Prometheus text of one proxy. Out: `Row`s per cluster that answered: rate, success, latency, share, peer identity, TLS.
Never here: scraping (see `run`) or a table's look.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from prometheus_client import parser

from isthmus.viz.answer import golden


@dataclass(frozen=True, slots=True)
class Peer:
    """One series of answers: who answered, over what."""

    cluster: str
    identity: str
    tls: str


@dataclass(slots=True)
class Totals:
    """What a proxy has counted so far for one peer."""

    ok: float = 0
    failed: float = 0
    buckets: dict[float, float] = field(default_factory=lambda: defaultdict(float))


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. Latencies in milliseconds, rates per second, shares from 0 to 1."""

    peer: Peer
    rps: float
    success: float
    share: float
    p50: float
    p99: float


Snapshot = dict[Peer, Totals]


def read(page: str, *, local: str, authority: str) -> Snapshot:
    """Outbound answers of a proxy, by peer. `authority` is a part of the logical name, so that control traffic does not count."""
    found: Snapshot = defaultdict(Totals)
    for name, labels, value in _samples(page):
        if labels.get("direction") != "outbound" or authority not in labels.get("authority", ""):
            continue
        peer = Peer(labels.get("dst_target_cluster") or local, labels.get("server_id", ""), labels.get("tls", ""))
        if name == "response_total":
            if labels.get("classification") == "success":
                found[peer].ok += value
            else:
                found[peer].failed += value
        elif name == "response_latency_ms_bucket":
            found[peer].buckets[float(labels["le"])] += value
    return dict(found)


def rows(before: Snapshot, after: Snapshot, seconds: float) -> list[Row]:
    """What happened between two snapshots, the local cluster's name sorting as it will."""
    moved = {peer: _less(totals, before.get(peer, Totals())) for peer, totals in after.items()}
    everything = sum(t.ok + t.failed for t in moved.values())
    table: list[Row] = []
    for peer, totals in sorted(moved.items(), key=lambda item: item[0].cluster):
        count = totals.ok + totals.failed
        table.append(
            Row(
                peer=peer,
                rps=count / seconds,
                success=totals.ok / count if count else 1.0,
                share=count / everything if everything else 0.0,
                p50=quantile(totals.buckets, 0.5),
                p99=quantile(totals.buckets, 0.99),
            )
        )
    return table


def counts(log: str) -> tuple[int, int]:
    """Requests and failures in the client's log; lines that are not its JSON (a sentence at its start) do not count."""
    requests = failed = 0
    for line in log.splitlines():
        if line.startswith("{"):
            second = json.loads(line)
            requests += int(second["count"])
            failed += int(second["failures"])
    return requests, failed


def quantile(buckets: dict[float, float], q: float) -> float:
    """As Prometheus' histogram_quantile: linear inside the bucket that holds the rank; 0 when nothing was counted."""
    return golden.quantile_of(buckets, q) or 0.0


def _less(now: Totals, then: Totals) -> Totals:
    left = Totals(ok=now.ok - then.ok, failed=now.failed - then.failed)
    for bound, value in now.buckets.items():
        left.buckets[bound] = value - then.buckets.get(bound, 0.0)
    return left


def _samples(page: str) -> Iterator[tuple[str, dict[str, str], float]]:
    families: Iterable[object] = parser.text_string_to_metric_families(page)
    for family in families:
        for sample in getattr(family, "samples", ()):
            yield sample.name, sample.labels, sample.value
