"""One request as several proxies saw it. In: events of several streams. Out: `Journey`s: hops in order, and the time between. Pure.

A hop is one proxy's view of one request. A journey begins at a hop on its way out (the client's proxy); the next hop is one that came in
from that proxy: its client certificate is the first one's identity, it was asked the same, it answered the same, within the other's time.
Among such candidates those with the same mark (`traceparent`, `x-request-id`, ...) are the request itself: the join is exact. Where no
proxy saw a mark and exactly one candidate came at that time, the join is likely. Where several did, those are left whose headers say
the same, and the slowest of them is taken if it can be nobody else's: every hop lies within the one it came from, and only this one is
long enough for it. Else there is no join, and the journey says how many fit.

No clock is compared: proxies tell times since the request began at each. Between two hops there is the time until the answer began at the
first, less that at the second; half of it is drawn before, half after (docs/decisions/0017).
Never here: streams (see `several`), drawing. Limits: HOPS hops of a journey; POOL hops are kept, each LINGER seconds at most.
"""

import bisect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from isthmus.tap.tell import events

HOPS = 8
POOL = 20_000
LINGER = 10.0
"""Seconds by which the events of one request may arrive apart."""
GRACE = 1.5
"""Seconds after a journey's first hop has ended in which its others may still be told."""
NEAR = 0.1
"""Seconds within which the events of one request usually arrive."""
APART = 0.5
"""Seconds by which they may arrive apart on a machine that is busy: who else could own a hop is looked for so far around it."""
SLACK = 0.005
MARKS = ("traceparent", "x-request-id", "x-b3-traceid", "x-amzn-trace-id")
Key = tuple[str, str, int, int]
WRITTEN = (
    ":",
    "l5d-",
    "host",
    "forwarded",
    "x-forwarded-",
    "via",
    "te",
    "traceparent",
    "b3",
    "x-b3-",
    "grpc-trace-bin",
    "connection",
)
"""What headers begin with that differ from hop to hop."""
SURE, LIKELY, ALONE, OPEN = "exact", "likely", "alone", "ambiguous"


@dataclass(frozen=True, slots=True)
class Hop:
    """One proxy's view. `arrived` is when its first event came to us; `answered` and `ended` are seconds since it began, None while open.

    `offset` is where it stands in its journey.
    """

    head: events.Event
    arrived: float
    answered: float | None = None
    ended: float | None = None
    status: int = 0
    grpc: int | None = None
    reset: int | None = None
    bytes: int = 0
    offset: float = 0.0

    @property
    def marks(self) -> frozenset[str]:
        """What tells its request from others: the trace's id, the request's id."""
        return frozenset(
            f"{name}={value.split('-')[1] if name == 'traceparent' and value.count('-') >= 3 else value}"
            for name, value in self.head.headers
            if name in MARKS and value
        )

    @property
    def role(self) -> str:
        """`client`, `gateway` or `server`."""
        if not self.head.inbound:
            return "client"
        there = self.head.destination.pod
        return "gateway" if self.head.proxy and there and there != self.head.proxy else "server"

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return self.reset is None and (self.status < 500 if not self.grpc else False)


@dataclass(frozen=True, slots=True)
class Journey:
    """A request's hops in order. `how` is SURE or LIKELY when all were joined so, ALONE for one hop, OPEN when several fit (`rivals`)."""

    hops: tuple[Hop, ...]
    how: str
    rivals: int = 0

    @property
    def mark(self) -> str:
        """The mark that all hops share."""
        first, *others = self.hops
        return min((mark for mark in first.marks if all(mark in hop.marks for hop in others)), default="")

    @property
    def between(self) -> tuple[float, ...]:
        """Seconds, there and back together, that passed outside the proxy before each hop but the first."""
        return tuple(_outside(one, two) for one, two in zip(self.hops, self.hops[1:], strict=False))

    @property
    def inside(self) -> float:
        """Seconds from the last hop until the application's answer began."""
        return self.hops[-1].answered or self.hops[-1].ended or 0.0


@dataclass
class Joiner:
    """Takes events, gives journeys. `clock` readings are handed in, so that it can be played."""

    root: Callable[[Hop], bool] = lambda _: True
    """Which hops journeys begin at, of those on their way out."""
    _open: OrderedDict[tuple[str, str, int, int], Hop] = field(
        default_factory=OrderedDict[tuple[str, str, int, int], Hop]
    )
    _done: list[Hop] = field(default_factory=list[Hop])
    _past: list[Hop] = field(default_factory=list[Hop])
    forgotten: int = 0

    def feed(self, event: events.Event, now: float) -> None:
        """Take an event that came at `now`."""
        if event.kind == events.REQUEST:
            self._open[event.key] = Hop(event, now)
            while len(self._open) > POOL:
                self._open.popitem(last=False)
                self.forgotten += 1
            return
        hop = self._open.get(event.key)
        if hop is None:
            return
        if event.kind == events.RESPONSE:
            self._open[event.key] = replace(hop, answered=event.since_request, status=event.status)
        elif event.kind == events.END:
            del self._open[event.key]
            self._done.append(
                replace(hop, ended=event.since_request, grpc=event.grpc, reset=event.reset, bytes=event.bytes)
            )

    def take(self, now: float) -> list[Journey]:
        """The journeys whose first hop ended GRACE seconds ago or whose hops are all there; each hop is in one at most."""
        found: list[Journey] = []
        here = _Here(
            _Shelf(hop for hop in self._done if hop.head.inbound),
            _Shelf((*self._done, *self._past, *self._open.values())),
        )
        for root in [hop for hop in self._done if not hop.head.inbound and self.root(hop)]:
            over = root.arrived + (root.ended or 0.0) + GRACE <= now
            if not over and not root.marks:
                continue
            journey = _follow(root, here)
            whole = journey.hops[-1].role == "server" and journey.how == SURE
            if over or whole:
                found.append(journey)
                here.taken.update(hop.head.key for hop in journey.hops[1:])
        told = {hop.head.key for journey in found for hop in journey.hops}
        # One that was not joined may still be whose hop another's looks like.
        self._past += [journey.hops[-1] for journey in found if journey.how in (OPEN, ALONE)]
        self._done = [hop for hop in self._done if hop.head.key not in told and _fresh(hop, now)][-POOL:]
        self._past = [hop for hop in self._past if _fresh(hop, now)][-POOL:]
        return found


class _Shelf:
    """Hops in the order in which they arrived."""

    def __init__(self, hops: Iterable[Hop]) -> None:
        self._hops = sorted(hops, key=_arrived)

    def around(self, at: float, seconds: float) -> list[Hop]:
        """Those that arrived so near to `at`."""
        first = bisect.bisect_left(self._hops, at - seconds, key=_arrived)
        return self._hops[first : bisect.bisect_right(self._hops, at + seconds, first, key=_arrived)]


@dataclass(frozen=True, slots=True)
class _Here:
    """What is known at one moment: hops that may follow another, hops they may belong to, and whom journeys have taken."""

    after: _Shelf
    before: _Shelf
    taken: set[Key] = field(default_factory=set[Key])

    def fit(self, last: Hop, passed: AbstractSet[Key], seconds: float) -> list[Hop]:
        """Those that may follow, and are in no journey."""
        around = self.after.around(last.arrived, seconds)
        return [hop for hop in around if follows(last, hop) and hop.head.key not in passed | self.taken]

    def others(self, last: Hop, after: Hop, seconds: float) -> int:
        """How many other hops `after` might belong to. Headers count where those of `last` agree: else somebody rewrote them on the way."""
        around = [hop for hop in self.before.around(after.arrived, seconds) if _might_own(hop, after)]
        said = agree(last, after)
        return sum(hop.head.key != last.head.key and (not said or agree(hop, after)) for hop in around)


def _follow(root: Hop, here: _Here) -> Journey:
    hops, how, rivals = [root], ALONE, 0
    while len(hops) < HOPS:
        last, passed = hops[-1], {hop.head.key for hop in hops}
        marked = [hop for hop in here.fit(last, passed, GRACE) if hop.marks & last.marks] if last.marks else []
        following, rivals = _nearest(last, marked) if marked else _unmarked(last, passed, here)
        if rivals or following is None:
            break
        how = SURE if marked and how in (ALONE, SURE) else LIKELY
        hops.append(replace(following, offset=last.offset + _outside(last, following) / 2))
        if following.role == "server":
            break
    return Journey(tuple(hops), OPEN if rivals else how, rivals)


def _unmarked(last: Hop, passed: AbstractSet[Key], here: _Here) -> tuple[Hop | None, int]:
    """Of hops without a mark the one that is no other's and 0, or how many fit where none is; of those further off the only one."""
    fit = here.fit(last, passed, NEAR)
    if not fit:
        fit = here.fit(last, passed, GRACE)
        if len(fit) != 1:
            return None, 0
    fit = [hop for hop in fit if agree(last, hop)] or fit
    around = NEAR if len(fit) == 1 else APART
    # Who can own a slow hop can own a quicker one: the two slowest tell of all. Two that are ours alone mean that events were lost.
    slowest, *second = sorted(fit, key=_length, reverse=True)[:2]
    rivals = here.others(last, slowest, around)
    if rivals or (second and not here.others(last, second[0], around)):
        return slowest, max(len(fit), rivals + 1)
    return slowest, 0


def _arrived(hop: Hop) -> float:
    return hop.arrived


def _fresh(hop: Hop, now: float) -> bool:
    return now - hop.arrived - (hop.ended or 0.0) <= LINGER


def _length(hop: Hop) -> float:
    return hop.ended or 0.0 if hop.answered is None else hop.answered


def follows(before: Hop, after: Hop) -> bool:
    """Whether `after` may be where the request of `before` came in next; both have ended."""
    return (
        abs(after.arrived - before.arrived) <= GRACE
        and _within(after, before)
        and (after.ended or 0.0) <= (before.ended or 0.0) + SLACK
        and before.grpc == after.grpc
        and _fits(before, after)
    )


def agree(one: Hop, two: Hop) -> bool:
    """Whether headers that both have say the same, but for those that proxies write."""
    ours, theirs = _headers(one), _headers(two)
    return all(values == theirs[name] for name, values in ours.items() if name in theirs)


def _headers(hop: Hop) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in hop.head.headers:
        if not name.startswith(WRITTEN):
            found.setdefault(name, []).append(value)
    return found


def _might_own(before: Hop, after: Hop) -> bool:
    """The same for `before` that need not have ended, or begun to be answered."""
    if before.ended is not None:
        return follows(before, after)
    return (before.answered is None or _within(after, before)) and _fits(before, after)


def _within(after: Hop, before: Hop) -> bool:
    """Whether the answer to `before` began as it would if `after` were part of it."""
    if before.answered is not None and after.answered is not None and after.answered > before.answered:
        return False
    return before.status == after.status


def _fits(before: Hop, after: Hop) -> bool:
    """Whether who asked, what, and whom agree."""
    one, two = before.head, after.head
    return (
        two.inbound
        and (one.method, one.path) == (two.method, two.path)
        and (not before.marks or not after.marks or bool(before.marks & after.marks))
        and _same(one.identity, two.source.labels.get("client_id", ""))
        and _same(one.destination.labels.get("server_id", ""), two.identity)
        and _same(one.destination.pod, two.proxy)
        and (one.cluster == two.cluster or not (one.inbound or one.destination.pod))
    )


def _same(said: str, is_: str) -> bool:
    """Whether two names agree, as far as both are known."""
    return not said or not is_ or said == is_


def _nearest(before: Hop, hops: Iterable[Hop]) -> tuple[Hop, int]:
    """Of hops with the same mark (a repeated try, a second call of one trace) the one whose time fits best and 0, or how many fit alike."""
    ranked = sorted(hops, key=lambda hop: _outside(before, hop))
    alike = sum(_outside(before, hop) == _outside(before, ranked[0]) for hop in ranked)
    return ranked[0], alike if alike > 1 else 0


def _outside(before: Hop, after: Hop) -> float:
    """Seconds of `before` that are none of `after`: there, and back until the answer began."""
    if before.answered is not None and after.answered is not None:
        return max(0.0, before.answered - after.answered)
    return max(0.0, (before.ended or 0.0) - (after.ended or 0.0))


def spans(journey: Journey) -> Iterator[tuple[Hop, float, float]]:
    """Each hop with where it begins and how long it lasts, in seconds: what a waterfall draws."""
    for hop in journey.hops:
        yield hop, hop.offset, hop.ended or 0.0


def document(journey: Journey) -> dict[str, object]:
    """A journey as JSON has it; seconds."""
    first = journey.hops[0].head
    before = (0.0, *journey.between)
    return {
        "joined": journey.how,
        "candidates": journey.rivals,
        "mark": journey.mark,
        "method": first.method,
        "authority": first.authority,
        "path": first.path,
        "hops": [
            {
                "role": hop.role,
                "cluster": hop.head.cluster,
                "proxy": hop.head.proxy,
                "identity": hop.head.identity,
                "source": hop.head.source.address,
                "destination": hop.head.destination.address,
                "target_cluster": hop.head.destination.labels.get("target_cluster", ""),
                "status": hop.status,
                "grpc_status": hop.grpc,
                "reset": hop.reset,
                "response_bytes": hop.bytes,
                "offset": hop.offset,
                "outside_before": outside,
                "until_answer": hop.answered,
                "duration": hop.ended,
            }
            for hop, outside in zip(journey.hops, before, strict=True)
        ],
        "application": journey.inside,
    }
