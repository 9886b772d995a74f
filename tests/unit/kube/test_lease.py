"""Elections: who may take a Lease, and what happens to the work."""

import asyncio
from datetime import UTC, datetime

import pytest
from lightkube.models.coordination_v1 import LeaseSpec
from lightkube.resources.coordination_v1 import Lease

from isthmus.kube import lease
from tests.unit.kube import memory

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATH = "/apis/coordination.k8s.io/v1/namespaces/ns/leases/boss"
AT_NOON = str(NOON)


def held(holder: str | None, seconds: int = 15) -> Lease:
    return Lease(spec=LeaseSpec(holderIdentity=holder, leaseDurationSeconds=seconds, renewTime=NOON))


@pytest.mark.parametrize(
    "found, since, free",
    [
        pytest.param(None, 0, True, id="never-made"),
        pytest.param(held(""), 0, True, id="given-back"),
        pytest.param(held("me"), 99, True, id="ours-from-before"),
        pytest.param(held("you"), 90, False, id="held"),
        pytest.param(held("you"), 85, True, id="left-behind"),
    ],
)
def test_may_take(found: Lease | None, since: float, free: bool) -> None:
    seen = lease.observe(found, lease.Seen(("you", AT_NOON), since), 100.0)
    assert lease.may_take(found, seen, "me", 100.0) is free


def test_a_renewed_record_starts_the_wait_anew() -> None:
    assert lease.observe(held("you"), lease.Seen(("you", "earlier"), 0), 100.0) == lease.Seen(("you", AT_NOON), 100.0)


def test_times_have_a_fraction() -> None:
    spec = lease.taken(None, "boss", "ns", "me", 15, NOON).spec
    assert spec and spec.renewTime == NOON.replace(microsecond=1)


@pytest.mark.parametrize("before, turns", [(None, 0), (held("me"), 0), (held("you"), 1)], ids=["new", "ours", "theirs"])
def test_transitions_are_counted(before: Lease | None, turns: int) -> None:
    spec = lease.taken(before, "boss", "ns", "me", 15, NOON).spec
    assert spec and spec.leaseTransitions == turns


async def test_work_runs_and_the_lease_is_given_back() -> None:
    server = memory.Memory()
    holders: list[str] = []

    async def work() -> None:
        holders.append(server.objects[PATH]["spec"]["holderIdentity"])

    async with memory.speak(server) as speaker:
        await lease.hold(speaker, "boss", "ns", "me", work, ttl=0.3)
    assert (holders, server.objects[PATH]["spec"]["holderIdentity"]) == (["me"], "")


async def test_one_of_two_works_at_a_time() -> None:
    server = memory.Memory()
    working: list[str] = []
    most = 0

    async def work(name: str) -> None:
        nonlocal most
        working.append(name)
        most = max(most, len(working))
        await asyncio.sleep(0.05)
        working.remove(name)

    async with memory.speak(server) as speaker, asyncio.timeout(10), asyncio.TaskGroup() as group:
        for name in ("a", "b", "c"):
            group.create_task(lease.hold(speaker, "boss", "ns", name, lambda n=name: work(n), ttl=0.3))
    assert most == 1


async def test_a_stolen_lease_ends_the_work_then_is_waited_for() -> None:
    server = memory.Memory()
    started: list[int] = []

    async def work() -> None:
        started.append(len(started))
        if len(started) == 1:
            server.store(PATH, {**server.objects[PATH], "spec": {"holderIdentity": "thief", "leaseDurationSeconds": 0}})
            await asyncio.sleep(60)

    async with memory.speak(server) as speaker, asyncio.timeout(10):
        await lease.hold(speaker, "boss", "ns", "me", work, ttl=0.3)
    assert started == [0, 1]


async def test_a_silent_server_ends_the_work() -> None:
    server = memory.Memory()
    ended = asyncio.Event()

    async def work() -> None:
        server.faults = [memory.status(500) for _ in range(10_000)]
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with memory.speak(server) as speaker, asyncio.TaskGroup() as group:
        holding = group.create_task(lease.hold(speaker, "boss", "ns", "me", work, ttl=0.3))
        async with asyncio.timeout(10):
            await ended.wait()
        holding.cancel()


async def test_what_the_work_raises_goes_on() -> None:
    async def work() -> None:
        raise LookupError("mine")

    async with memory.speak(memory.Memory()) as speaker:
        with pytest.raises(LookupError, match="mine"):
            await lease.hold(speaker, "boss", "ns", "me", work, ttl=0.3)
