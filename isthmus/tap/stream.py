"""One client's tap: asks the proxies of its pods, window after window, and fills its outbox. In: what is asked, the world. Out: frames.

    plan --each REPLAN s--> a task per pod --dial, Observe(limit)--> window --limit taken, a second over--> next window
    a window whose requests still run goes on beside the next; the oldest is given up when TAILS are open
    a proxy that refuses or is away: a notice, then again after a delay

Calls go through the pod's own proxy, which adds TLS and holds the other side to the identity in `l5d-require-id`.
Never here: who may (see `api`), which pods (see `plan`). Limits: TAILS windows a pod, pods by the plan, frames by the outbox.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from isthmus import names
from isthmus.rpc import tap_grpc, tap_pb2
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.serve import grpc
from isthmus.tap import window, world
from isthmus.tap.ask import match, plan
from isthmus.tap.tell import labels, outbox

REPLAN = 2.0
SECOND = 1.0
TAILS = 3
DELAY_MIN, DELAY_MAX = 1.0, 10.0

Observe = Callable[[plan.Pod, tap_pb2.ObserveRequest], AsyncIterator[tap_pb2.TapEvent]]
"""Asks one proxy. Raises grpc.Failed."""


class Counts(Protocol):
    """What the process counts of all streams."""

    def seen(self, events: int) -> None: ...

    def dropped(self, where: str, events: int) -> None: ...


@dataclass
class Fan:
    """The tap of one client. `extended`: it understands what we add to Linkerd's events."""

    asked: match.Asked
    known: world.World
    observe: Observe
    counts: Counts
    extended: bool
    clock: Callable[[], float] = time.monotonic
    out: outbox.Outbox = field(init=False)
    trust_domain: str = names.CLUSTER_DOMAIN
    ignored: frozenset[str] = frozenset()
    """Headers that are never told, in lower case."""

    def __post_init__(self) -> None:
        self.out = outbox.Outbox(notices=self.extended)
        self._bases = itertools.count()
        self._said: set[str] = set()
        self._limit = 1

    def planned(self) -> plan.Plan:
        """Who is to be asked, as of now."""
        return plan.make(self.asked, self.known.pods.values(), self.known.services)

    async def run(self) -> None:
        """Until cancelled: pods that come are asked, pods that go are left."""
        asked: dict[names.Key, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                now = self.planned()
                self._limit = now.limit
                for sentence in now.left_out:
                    self._say_once(sentence)
                wanted = {one.key: one for one in now.pods}
                for key in asked.keys() - wanted.keys():
                    asked.pop(key).cancel()
                for key in wanted.keys() - asked.keys():
                    asked[key] = group.create_task(self._follow(wanted[key]), name=f"tap {key}")
                await asyncio.sleep(REPLAN)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            self.out.say(sentence)

    async def _follow(self, pod: plan.Pod) -> None:
        """One proxy, for as long as the stream."""
        delay = DELAY_MIN
        while True:
            began = self.clock()
            why = await self._windows(pod)
            self._say_once(f"the proxy of pod {pod.key} cannot be tapped: {why}")
            delay = DELAY_MIN if self.clock() - began > DELAY_MAX else min(DELAY_MAX, delay * 2)
            await asyncio.sleep(delay)

    async def _windows(self, pod: plan.Pod) -> str:
        """Window after window; returns why there can be no other."""
        open_: deque[asyncio.Task[None]] = deque()
        async with asyncio.TaskGroup() as group:
            while True:
                began, turn = self.clock(), _Turn(window.Window(next(self._bases), self._limit))
                open_.append(group.create_task(self._read(pod, turn)))
                await turn.over.wait()
                if turn.failure:
                    for task in open_:
                        task.cancel()
                    return turn.failure
                open_ = deque(task for task in open_ if not task.done())
                while len(open_) >= TAILS:
                    open_.popleft().cancel()
                await asyncio.sleep(max(0.0, began + SECOND - self.clock()))

    async def _read(self, pod: plan.Pod, turn: "_Turn") -> None:
        try:
            async for seen in self.observe(pod, self.asked.observe(turn.window.limit)):
                self._tell(pod, turn.window, labels.translated(seen))
                if turn.window.spent:
                    turn.over.set()
            if untold := turn.window.untold():
                self.out.lost(untold)
                self.counts.dropped("proxy", untold)
                self.out.say(
                    f"{untold} events dropped by the proxy of pod {pod.key}: they came faster than it could send",
                    untold,
                )
        except grpc.Failed as failed:
            turn.failure = failed.sentence or failed.code
        finally:
            turn.over.set()

    def _tell(self, pod: plan.Pod, of: window.Window, event: api.TapEvent) -> None:
        of.take(event)
        labels.redact(event, self.ignored)
        labels.name(event, pod, self.known.at)
        if self.extended:
            event.proxy.namespace, event.proxy.pod = pod.key.namespace, pod.key.name
            event.proxy.identity = pod.identity(self.trust_domain)
        self.counts.seen(1)
        if not self.out.put(event):
            self.counts.dropped("client", 1)


@dataclass
class _Turn:
    """A window and how it went. `over`: the next may begin."""

    window: window.Window
    over: asyncio.Event = field(default_factory=asyncio.Event)
    failure: str = ""


def observer(trust_domain: str) -> Observe:
    """The real way to a proxy."""

    async def observe(pod: plan.Pod, request: tap_pb2.ObserveRequest) -> AsyncIterator[tap_pb2.TapEvent]:
        ip = pod.ips[0]
        address = f"[{ip}]:{pod.port}" if ":" in ip else f"{ip}:{pod.port}"
        async with grpc.dial(address) as channel:
            metadata: Any = (("l5d-require-id", pod.identity(trust_domain)),)
            async for event in grpc.answers(tap_grpc.Tap(channel).Observe(request, metadata=metadata)):
                yield event

    return observe
