"""Elect one of many. In: a Lease's name, who we are, some work. Out: the work runs while, and only while, the Lease is ours.

Others' clocks are not trusted: a holder counts as gone when its record has not changed for `ttl` seconds of our own clock. A holder that
cannot renew for RENEW_SHARE of that ends its work first, so two never work at once unless a process stops dead and wakes again.
Never here: what is worked on. Limits: one call has the client's limit; giving back has RELEASE seconds.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease

from isthmus import logs
from isthmus.errors import IsthmusError
from isthmus.kube import client

RENEW_SHARE = 2 / 3
RELEASE = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease's record, and since when, on our clock, it has looked like this."""

    mark: tuple[str, str]
    since: float


class Lost(Exception):
    """The Lease is no longer ours."""


def observe(found: Lease | None, before: Seen | None, now: float) -> Seen | None:
    """What is known of the holder after a look at `found`."""
    if found is None or found.spec is None or not found.spec.holderIdentity:
        return None
    mark = (found.spec.holderIdentity, str(found.spec.renewTime))
    return before if before and before.mark == mark else Seen(mark, now)


def may_take(found: Lease | None, seen: Seen | None, holder: str, now: float) -> bool:
    """Whether the Lease is free, ours already, or left by a holder that renews no more."""
    if found is None or found.spec is None or seen is None or found.spec.holderIdentity == holder:
        return True
    return now - seen.since >= (found.spec.leaseDurationSeconds or 0)


def taken(found: Lease | None, name: str, namespace: str, holder: str, ttl: float, moment: datetime) -> Lease:
    """The Lease as it is written to take or renew it: bound to the version that was seen."""
    # The API takes these times only with a fraction, which a whole second would be written without.
    moment = moment.astimezone(UTC).replace(microsecond=max(1, moment.microsecond))
    old = (found.spec if found else None) or LeaseSpec()
    ours = old.holderIdentity == holder
    spec = LeaseSpec(
        holderIdentity=holder,
        leaseDurationSeconds=max(1, round(ttl)),
        acquireTime=old.acquireTime if ours else moment,
        renewTime=moment,
        leaseTransitions=(old.leaseTransitions or 0) + (0 if ours or found is None else 1),
    )
    version = found.metadata.resourceVersion if found and found.metadata else None
    return Lease(metadata=ObjectMeta(name=name, namespace=namespace, resourceVersion=version), spec=spec)


@dataclass(frozen=True, slots=True)
class _Bid:
    """One bidder for one Lease."""

    client: client.Client
    name: str
    namespace: str
    holder: str
    ttl: float
    clock: Callable[[], float]
    now: Callable[[], datetime]

    async def look(self) -> Lease | None:
        return await self.client.get(Lease, self.name, self.namespace)

    async def write(self, found: Lease | None) -> Lease:
        wanted = taken(found, self.name, self.namespace, self.holder, self.ttl, self.now())
        return await (self.client.create(wanted) if found is None else self.client.replace(wanted))


async def hold(
    client: client.Client,
    name: str,
    namespace: str,
    holder: str,
    work: Callable[[], Awaitable[None]],
    *,
    ttl: float = 15.0,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    dice: Callable[[], float] = random.random,
) -> None:
    """Wait for the Lease, run `work` while it is ours; a lost Lease cancels the work, then all begins anew.

    Returns when `work` returns; what it raises goes on to the caller. The Lease is given back either way.
    """
    bid = _Bid(client, name, namespace, holder, ttl, clock, now)
    log = logs.get().bind(lease=f"{namespace}/{name}", holder=holder)
    while True:
        ours = await _acquire(bid, dice)
        log.info("lease taken")
        try:
            await _work(bid, ours, work)
            return
        except Lost:
            log.warning("lease lost; the work was ended")


async def _acquire(bid: _Bid, dice: Callable[[], float]) -> Lease:
    """Ask until the Lease is ours."""
    seen: Seen | None = None
    while True:
        try:
            found = await bid.look()
            seen = observe(found, seen, bid.clock())
            if may_take(found, seen, bid.holder, bid.clock()):
                return await bid.write(found)
        except IsthmusError:
            pass  # another bidder was faster, or no answer: the next look tells
        await asyncio.sleep(bid.ttl / 6 * (0.8 + 0.4 * dice()))


async def _work(bid: _Bid, ours: Lease, work: Callable[[], Awaitable[None]]) -> None:
    """Work and renew side by side; whichever ends first ends the other. The Lease is given back unless it was lost."""
    lost = False
    try:
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(_renew(bid, ours))
            await work()
            renewing.cancel()
    except ExceptionGroup as failed:
        lost = failed.subgroup(Lost) is not None
        raise (Lost() if lost else failed.exceptions[0]) from failed
    finally:
        if not lost:
            await _release(bid)


async def _renew(bid: _Bid, ours: Lease) -> None:
    """Renew until cancelled.

    Raises:
        Lost: somebody else holds it, or it could not be renewed in time.
    """
    renewed = bid.clock()
    while True:
        await asyncio.sleep(bid.ttl / 5)
        left = renewed + bid.ttl * RENEW_SHARE - bid.clock()
        if left <= 0:
            raise Lost
        began = bid.clock()
        try:
            async with asyncio.timeout(left):
                ours = await bid.write(ours)
                renewed = began
        except TimeoutError:
            raise Lost from None
        except client.ApiError as error:
            ours = await _reread(bid, ours) if error.status in (404, 409) else ours
        except IsthmusError:
            pass  # no answer: tried again until the share is used up


async def _reread(bid: _Bid, ours: Lease) -> Lease:
    """After a conflict: the Lease as it is, if it is still ours."""
    try:
        found = await bid.look()
    except IsthmusError:
        return ours
    if found is None or found.spec is None or found.spec.holderIdentity != bid.holder:
        raise Lost
    return found


async def _release(bid: _Bid) -> None:
    """Give the Lease back, so that another need not wait; a failure costs only that wait."""
    try:
        async with asyncio.timeout(RELEASE):
            found = await bid.look()
            if found and found.spec and found.spec.holderIdentity == bid.holder:
                empty = taken(found, bid.name, bid.namespace, bid.holder, 1, bid.now())
                spec = empty.spec or LeaseSpec()
                spec.holderIdentity = ""
                await bid.client.replace(empty)
    except (IsthmusError, TimeoutError):
        return
