"""Golden metrics from rows of samples. In: rates of responses by classification, rates of buckets by `le`. Out: rate, success, latencies.

Pure. Quantiles are as Prometheus makes them: linear inside a bucket; in the last one its lower bound. Never here: queries.
"""

import math
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz.ask import samples

K = TypeVar("K", bound=Hashable)
Key = Callable[[samples.Row], K | None]
"""What a row is about; None: nothing we show."""
SUCCESS = "success"


@dataclass(slots=True)
class Golden:
    """Rates per second; `buckets`: upper bound (in milliseconds) -> rate of what is below it."""

    success: float = 0.0
    failure: float = 0.0
    buckets: dict[float, float] = field(default_factory=dict[float, float])

    def add(self, other: "Golden") -> None:
        """Both together."""
        self.success += other.success
        self.failure += other.failure
        for bound, value in other.buckets.items():
            self.buckets[bound] = self.buckets.get(bound, 0.0) + value

    @property
    def rps(self) -> float:
        return self.success + self.failure

    @property
    def share(self) -> float | None:
        """Of successes; None where nothing was answered."""
        return self.success / self.rps if self.rps > 0 else None

    def latency(self, quantile: float) -> float | None:
        """Milliseconds; None where nothing was answered."""
        return quantile_of(self.buckets, quantile)

    def stats(self, seconds: float) -> pb.BasicStats:
        """Counts over a window, as Linkerd's messages say it."""
        return pb.BasicStats(
            success_count=round(self.success * seconds),
            failure_count=round(self.failure * seconds),
            latency_ms_p50=_whole(self.latency(0.5)),
            latency_ms_p95=_whole(self.latency(0.95)),
            latency_ms_p99=_whole(self.latency(0.99)),
        )

    def message(self) -> insight.Golden:
        """As our own messages say it."""
        return insight.Golden(
            rps=self.rps,
            success=self.share,
            p50=self.latency(0.5),
            p95=self.latency(0.95),
            p99=self.latency(0.99),
        )


def gather(
    key: Key[K], responses: Iterable[samples.Row], buckets: Iterable[samples.Row] = (), *, scale: float = 1.0
) -> dict[K, Golden]:
    """Golden metrics by what `key` says. `scale` makes milliseconds of the buckets' unit."""
    found: dict[K, Golden] = {}
    for row in responses:
        at = key(row)
        if at is not None:
            one = found.setdefault(at, Golden())
            if well(row):
                one.success += row.value
            else:
                one.failure += row.value
    for row in buckets:
        at, bound = key(row), _bound(row.label("le"))
        if at is not None and bound is not None:
            held = found.setdefault(at, Golden()).buckets
            held[bound * scale] = held.get(bound * scale, 0.0) + row.value
    return found


def well(row: samples.Row) -> bool:
    """Whether a row is of successes: by its classification, or by status and error where there is none."""
    if "classification" in row.labels:
        return row.labels["classification"] == SUCCESS
    if row.label("error"):
        return False
    if "grpc_status" in row.labels:
        return row.labels["grpc_status"] not in _GRPC_FAILURES
    status = row.label("http_status")
    return status.isdigit() and int(status) < 500


_GRPC_FAILURES = frozenset(
    {"", "2", "4", "7", "13", "14", "15", "UNKNOWN", "DEADLINE_EXCEEDED", "PERMISSION_DENIED"}
) | {
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
}
"""What Linkerd's proxies call failures of a server."""


def quantile_of(buckets: dict[float, float], quantile: float) -> float | None:
    """The value below which `quantile` of the observations lie; None where there is none."""
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if len(bounds) < 2 or not total > 0 or math.isfinite(bounds[-1]):
        return None
    rank, low, below = quantile * total, 0.0, 0.0
    for bound in bounds:
        if buckets[bound] >= rank:
            if math.isinf(bound):
                return low
            inside = buckets[bound] - below
            return low + (bound - low) * ((rank - below) / inside if inside > 0 else 1.0)
        # Rates of buckets are not taken at one moment: one may be a hair below its neighbour.
        low, below = bound, max(below, buckets[bound])
    return low


def _bound(text: str) -> float | None:
    try:
        return math.inf if text == "+Inf" else float(text)
    except ValueError:
        return None


def _whole(number: float | None) -> int:
    return round(number) if number is not None else 0
