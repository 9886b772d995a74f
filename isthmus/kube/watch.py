"""Keep a store in step with the API server: list, then watch, for ever. In: pages and changes. Out: one feed of a store.

`Machine` thinks and has no clock, socket or log; `Reflector` is the shell that asks and waits.

    listing --page, more--> listing --last page--> watching --closed by the server--> watching (resume)
    watching --410--> listing --last page--> watching           (the list is compared with the store: deletes in the gap are seen)
    listing, watching --failure--> waiting --delay over--> where it was; after RELIST_AFTER failed watches: listing
    listing --404, optional kind--> waiting (the store counts as synced and empty if nothing was ever seen)

The store never empties because something failed (design D7). Never here: what objects mean.
Limits: a watch lasts WATCH seconds at most and is given up after IDLE without a word; delays grow to DELAY_MAX; a list has the
client's limit of pages.
"""

import asyncio
import enum
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from isthmus import logs
from isthmus.errors import IsthmusError, Unreachable
from isthmus.kube import client, store

R = TypeVar("R", bound=store.Object)

DELAY_MIN = 0.2
DELAY_MAX = 15.0
MISSING_DELAY = 10.0
"""Seconds between looks for a kind whose definition is not there yet."""
RELIST_AFTER = 3
"""Watches that fail in a row without a single event before their version is doubted."""
WATCH = 290
IDLE = 150.0
"""API servers send a bookmark about once a minute, so two and a half silent ones mean that the road is dead."""


@dataclass(frozen=True, slots=True)
class List:
    """Ask for the page at `token` ("" is the first)."""

    token: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Ask for changes after `version`."""

    version: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for `seconds`, then ask `step` again."""

    seconds: float


Step = List | Watch | Wait


class Cause(enum.Enum):
    """Why asking failed, by what can be done about it."""

    GONE = "the version is too old"
    MISSING = "the server does not know the kind"
    BROKEN = "no answer, or a refusal that may pass"


class Machine(Generic[R]):
    """What to do next, and what a store is fed. `dice` gives a number from 0 to 1."""

    def __init__(self, into: store.Store[R], *, optional: bool, dice: Callable[[], float]) -> None:
        self._into = into
        self._optional = optional
        self._dice = dice
        self._held: list[R] = []
        self._token = ""
        self._version: str | None = None
        self._failures = 0
        self._delay: float | None = None

    def step(self) -> Step:
        """What to do now."""
        if self._delay is not None:
            delay, self._delay = self._delay, None
            return Wait(delay)
        return List(self._token) if self._version is None else Watch(self._version)

    def page(self, page: client.Page[R]) -> None:
        """A page of the list has come; the last one feeds the store, at once."""
        self._held += page.items
        self._token = page.token
        if page.token:
            return
        whole, self._held = self._held, []
        self._version = page.version
        self._failures = 0
        self._into.feed_list(whole)

    def change(self, change: client.Change[R]) -> None:
        """The watch brought one line."""
        self._failures = 0
        if change.version:
            self._version = change.version
        match change.type:
            case "ADDED" | "MODIFIED":
                self._into.feed_apply(change.obj)
            case "DELETED":
                self._into.feed_delete(store.key_of(change.obj))
            case _:
                pass  # BOOKMARK: its version was the news

    def closed(self, *, empty: bool) -> None:
        """The server ended the watch in the usual way; one that brought nothing is not asked again at once."""
        if empty:
            self._delay = self._backoff(0)

    def failed(self, cause: Cause) -> None:
        """Asking failed. What the store holds stays."""
        self._failures += 1
        self._delay = self._backoff(self._failures)
        if cause is Cause.GONE:
            self._relist()
            if self._failures == 1:
                self._delay = None
        elif cause is Cause.MISSING:
            self._relist()
            self._delay = MISSING_DELAY * (0.5 + self._dice())
            if self._optional and not self._into.synced:
                self._into.feed_list(())
        elif self._version is not None and self._failures >= RELIST_AFTER:
            self._relist()

    def _relist(self) -> None:
        self._version, self._token = None, ""
        self._held = []

    def _backoff(self, failures: int) -> float:
        """Doubling delays, each between half and all of itself, so that many watches do not come back as one."""
        whole = min(DELAY_MAX, DELAY_MIN * 2 ** min(failures, 16))
        return whole * (0.5 + self._dice() / 2)


def cause_of(error: IsthmusError) -> Cause:
    """What an error means for list and watch."""
    if isinstance(error, client.ApiError):
        if error.status == 410 or error.reason == "Expired":
            return Cause.GONE
        if error.status == 404:
            return Cause.MISSING
    return Cause.BROKEN


class Reflector(Generic[R]):
    """Keeps `into` in step with one collection, until cancelled.

    With `optional`, a kind whose definition is missing counts as an empty collection, and is looked for again and again.
    """

    def __init__(
        self,
        client: client.Client,
        kind: type[R],
        store: store.Store[R],
        *,
        namespace: str | None = None,
        labels: client.Labels = None,
        optional: bool = False,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
        idle: float = IDLE,
    ) -> None:
        self._client = client
        self._kind = kind
        self._where = (namespace, labels)
        self._machine = Machine[R](store, optional=optional, dice=dice)
        self._clock = clock
        self._dice = dice
        self._idle = idle
        self._heard = clock()
        self._trouble = ""
        self._log = logs.get().bind(kind=store.kind_name, context=client.access.context)

    def age(self) -> float:
        """Seconds since the server was last heard on this collection; rises while it is out of reach."""
        return self._clock() - self._heard

    async def run(self) -> None:
        """Never returns, and no failure of the server ends it."""
        while True:
            step = self._machine.step()
            if isinstance(step, Wait):
                await asyncio.sleep(step.seconds)
                continue
            try:
                await self._ask(step)
            except IsthmusError as error:
                self._say(error)
                self._machine.failed(cause_of(error))

    async def _ask(self, step: List | Watch) -> None:
        if isinstance(step, List):
            page = await self._client.page(self._kind, *self._where, step.token)
            self._hear()
            self._machine.page(page)
            return
        seconds = int(WATCH * (0.8 + 0.2 * self._dice()))
        began = self._clock()
        heard = False
        async for change in self._client.changes(
            self._kind, step.version, *self._where, seconds=seconds, idle=self._idle
        ):
            heard = True
            self._hear()
            self._machine.change(change)
        # A watch that was open for a while and saw nothing has told that nothing happened.
        self._machine.closed(empty=not heard and self._clock() - began < 1)
        self._hear()

    def _hear(self) -> None:
        self._heard = self._clock()
        if self._trouble:
            self._log.info("in step again", after=self._trouble)
            self._trouble = ""

    def _say(self, error: IsthmusError) -> None:
        """One line per change of mind: an outage is told when it begins and when it ends."""
        word = type(error).__name__ if isinstance(error, Unreachable) else error.sentence
        if word != self._trouble:
            self._trouble = word
            self._log.warning("out of step; what is known stays", why=error.sentence)
