"""Settings of traffic that stand in annotations. In: annotations of a Service or a route. Out: timeouts, retries, breakers, balancing.

A value that cannot be read leaves out that setting alone, and a sentence says which. Durations are Linkerd's (`10s`, `500ms`, 0).
Never here: which of two objects' settings count (see `Traffic.over`), routes' own timeouts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from google.protobuf import duration_pb2

from isthmus import units
from isthmus.errors import BadValue
from isthmus.rpc import outbound_pb2 as pb

RETRY = "retry.linkerd.io/"
TIMEOUT = "timeout.linkerd.io/"
BALANCER = "balancer.linkerd.io/"
ALPHA = "balancer.alpha.linkerd.io/"
ACCRUAL = BALANCER + "failure-accrual"
RETRY_BODY = 64 * 1024
RETRY_BACKOFF = (0.025, 0.25)
RTT, DECAY = 0.03, 10.0
_GRPC = ("cancelled", "deadline-exceeded", "resource-exhausted", "internal", "unavailable")
_CLASSES = {"5xx": (500, 599), "gateway-error": (502, 504)}

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and when a request is tried again; `status` are ranges of HTTP codes, `codes` words of gRPC."""

    limit: int = 1
    timeout: float | None = None
    status: tuple[tuple[int, int], ...] = ()
    codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Penalty:
    """Balancing that punishes endpoints for failures: seconds."""

    penalty: float = 5.0
    most: float = 300.0


@dataclass(frozen=True, slots=True)
class Traffic:
    """The settings of one object; None where it does not say. Timeouts in seconds."""

    request: float | None = None
    response: float | None = None
    idle: float | None = None
    retries: Retries | None = None
    accrual: pb.FailureAccrual | None = None
    penalty: Penalty | None = None

    def over(self, parent: "Traffic") -> "Traffic":
        """These settings, and the parent's where these are silent. Breakers and balancing are the parent's alone."""
        return Traffic(
            self.request if self.request is not None else parent.request,
            self.response if self.response is not None else parent.response,
            self.idle if self.idle is not None else parent.idle,
            self.retries or parent.retries,
            parent.accrual,
            parent.penalty,
        )

    def load(self, into: pb.Backend.BalanceP2c) -> None:
        """How a balancer compares endpoints."""
        if self.penalty is None:
            into.peak_ewma.default_rtt.CopyFrom(seconds(RTT))
            into.peak_ewma.decay.CopyFrom(seconds(DECAY))
            return
        ewma = into.penalty_peak_ewma
        ewma.default_rtt.CopyFrom(seconds(RTT))
        ewma.decay.CopyFrom(seconds(DECAY))
        ewma.penalty.CopyFrom(seconds(self.penalty.penalty))
        ewma.max_retry_after.CopyFrom(seconds(self.penalty.most))
        ewma.penalty_decay.CopyFrom(seconds(DECAY))


def seconds(number: float) -> duration_pb2.Duration:
    """A duration as the wire has it, in whole milliseconds."""
    found = duration_pb2.Duration()
    found.FromMilliseconds(round(number * 1000))
    return found


def read(notes: Mapping[str, str], where: str) -> tuple[Traffic, list[str]]:
    """The settings in `notes`, and a sentence for each that could not be read. `where` completes their keys."""
    reader = _Reader(notes, where, [])
    found = Traffic(
        request=reader.limit(TIMEOUT + "request"),
        response=reader.limit(TIMEOUT + "response"),
        idle=reader.limit(TIMEOUT + "idle"),
        retries=reader.retries(),
        accrual=reader.accrual(),
        penalty=reader.penalty(),
    )
    return found, reader.complaints


@dataclass(frozen=True, slots=True)
class _Reader:
    notes: Mapping[str, str]
    where: str
    complaints: list[str]

    def get(self, key: str, parse: Callable[[str, str], V], default: V) -> V:
        """The parsed value, or the default where there is none or it cannot be read."""
        if key not in self.notes:
            return default
        try:
            return parse(self.notes[key].strip(), f"{key} {self.where}")
        except BadValue as bad:
            self.complaints.append(bad.sentence)
            return default

    def limit(self, key: str) -> float | None:
        return self.get(key, _duration, 0.0) or None

    def retries(self) -> Retries | None:
        keys = [RETRY + word for word in ("limit", "timeout", "http", "grpc")]
        if not any(key in self.notes for key in keys):
            return None
        limit = self.get(keys[0], _count, 1)
        if limit == 0:
            return None
        return Retries(
            limit, self.limit(keys[1]), self.get(keys[2], _statuses, ()), self.get(keys[3], _codes, frozenset[str]())
        )

    def accrual(self) -> pb.FailureAccrual | None:
        kind = self.get(ACCRUAL, _accrual_kind, "")
        if not kind:
            return None
        prefix = f"{ACCRUAL}-consecutive-"
        failures = self.get(f"{prefix}max-failures", _count, 7)
        low, high = self.get(f"{prefix}min-penalty", _duration, 1.0), self.get(f"{prefix}max-penalty", _duration, 60.0)
        if not 0 < low <= high:
            self.complaints.append(f"{prefix}min-penalty {self.where} must be above 0 and at most max-penalty")
            low, high = 1.0, 60.0
        backoff = pb.ExponentialBackoff(
            min_backoff=seconds(low),
            max_backoff=seconds(high),
            jitter_ratio=self.get(f"{prefix}jitter-ratio", _ratio, 0.5),
            respect_retry_after_hint=self.get(f"{ALPHA}failure-accrual-honor-retry-after", _flag, default=False),
        )
        if kind == "consecutive":
            once = pb.FailureAccrual.ConsecutiveFailures(max_failures=failures, backoff=backoff)
            return pb.FailureAccrual(consecutive_failures=once)
        rate = f"{ALPHA}failure-accrual-success-rate-"
        window = self.get(f"{rate}window", _duration, 10.0)
        both = pb.FailureAccrual.Unified(
            success_rate_threshold=min(1.0, self.get(f"{rate}threshold", _ratio, 0.8)),
            decay=seconds(window if window >= 0.01 else 10.0),
            min_requests=self.get(f"{rate}min-requests", _count, 5),
            max_consecutive_failures=failures,
            backoff=backoff,
        )
        return pb.FailureAccrual(unified=both)

    def penalty(self) -> Penalty | None:
        if not self.get(f"{ALPHA}penalize-failures", _flag, default=False):
            return None
        default = Penalty()
        return Penalty(
            self.get(f"{ALPHA}load-biaser-penalty", _duration, default.penalty),
            self.get(f"{ALPHA}load-biaser-max-retry-after", _duration, default.most),
        )


def _duration(text: str, key: str) -> float:
    return units.duration(text, key=key)


def _flag(text: str, key: str) -> bool:
    return units.flag(text, key=key)


def _count(text: str, key: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 1_000_000:
        raise BadValue(key, text, '"3"', why="not a count up to 1000000")
    return int(text)


def _ratio(text: str, key: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise BadValue(key, text, '"0.5"', why="not a ratio from 0 to 100")
    return number


def _accrual_kind(text: str, key: str) -> str:
    if text not in ("consecutive", "unified"):
        raise BadValue(key, text, '"consecutive"', why="neither consecutive nor unified")
    return text


def _statuses(text: str, key: str) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        low, dash, high = part.partition("-")
        ends = _CLASSES.get(part) or tuple(int(n) for n in (low, high if dash else low) if n.isascii() and n.isdigit())
        if len(ends) != 2 or not 100 <= ends[0] <= ends[1] <= 599:
            raise BadValue(key, part, '"5xx", "gateway-error", "503" or "500-504"', why="no such class of answers")
        found.append((ends[0], ends[1]))
    return tuple(found)


def _codes(text: str, key: str) -> frozenset[str]:
    found = frozenset(filter(None, (p.strip() for p in text.split(","))))
    for word in found:
        if word not in _GRPC:
            raise BadValue(key, word, ", ".join(_GRPC), why="no such gRPC status")
    return found
