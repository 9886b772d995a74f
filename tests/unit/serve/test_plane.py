"""A plane's server opens once everything is known; what is malformed is told; numbers are read when asked."""

import asyncio
from typing import Any

import prometheus_client
import pytest

from isthmus import logs, names
from isthmus.serve import grpc, plane, refusal, runtime


class Slow:
    """A store whose list is late."""

    def __init__(self) -> None:
        self.whole = asyncio.Event()

    async def wait_synced(self) -> None:
        await self.whole.wait()


class Index:
    """What a world offers; remembers what it was told."""

    def __init__(self, *complaints: str) -> None:
        self.complaints = list(complaints)
        self.told: list[tuple[object, ...]] = []

    def put_route(self, *told: object) -> list[str]:
        self.told.append(("put", *told))
        return ["topic"]

    def drop_route(self, *told: object) -> list[str]:
        self.told.append(("drop", *told))
        return ["topic"]

    def take_complaints(self) -> list[str]:
        taken, self.complaints = self.complaints, []
        return taken


async def test_the_port_opens_once_every_store_is_whole() -> None:
    stores = [Slow(), Slow()]
    async with asyncio.TaskGroup() as group:
        process = runtime.Runtime(group, logs.get(), prometheus_client.CollectorRegistry())
        drain = group.create_task(process.drain())
        serving = plane.open_when_synced(process, stores, [grpc.Service("a.B")], 0)
        stores[0].whole.set()
        await asyncio.sleep(0.02)
        assert (serving.done(), process.unready()) == (False, ["grpc"])
        stores[1].whole.set()
        server = await asyncio.wait_for(serving, 1)
        assert server.port and process.unready() == []
        process.stop()
        await drain


def test_routes_say_their_group_and_word_with_each_object() -> None:
    known, key = Index(), names.Key("shop", "web")
    ((kind, optional, put, drop),) = plane.routes(known, [(int, "g", "W")])
    assert (kind, optional, list(put(7)), list(drop(key))) == (int, True, ["topic"], ["topic"])
    assert known.told == [("put", "g", "W", 7), ("drop", "g", "W", key)]


class Log:
    """Remembers why."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warning(self, _event: object, *, why: str) -> None:
        self.said.append(why)


async def test_what_is_malformed_is_told_once() -> None:
    log: Any = Log()
    async with asyncio.TaskGroup() as group:
        process = runtime.Runtime(group, log, prometheus_client.CollectorRegistry())
        task = group.create_task(plane.complain(process, Index("a port is 'x'")))
        await asyncio.sleep(1.1)
        task.cancel()
    assert log.said == ["a port is 'x'"]


def test_gauges_are_read_when_asked() -> None:
    registry, numbers = prometheus_client.CollectorRegistry(), [1.0]
    plane.gauges(registry, [("things", "Things known", lambda: numbers[0])])
    numbers[0] = 5.0
    assert registry.get_sample_value("things") == 5.0


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("invalid", grpc.Code.INVALID_ARGUMENT),
        ("missing", grpc.Code.NOT_FOUND),
        ("conflict", grpc.Code.FAILED_PRECONDITION),
    ],
)
def test_a_question_without_an_answer_has_a_code(kind: refusal.Kind, code: grpc.Code) -> None:
    said = grpc.refused(refusal.Refused(kind, "why"))
    assert (said.code, said.sentence) == (code, "why")
