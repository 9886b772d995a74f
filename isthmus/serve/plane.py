"""What the planes that proxies ask have in common. In: collections of the cluster, an index. Out: a server that opens once all is known.

Never here: what is watched or answered. Limits: complaints are told once a second.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import prometheus_client

from isthmus import names
from isthmus.serve import grpc, runtime, topics

Put = Callable[[Any], Iterable[topics.Topic]]
Drop = Callable[[names.Key], Iterable[topics.Topic]]
Feed = tuple[type[Any], bool, Put, Drop]
"""A kind, whether its definition may be missing, and what puts an object of it into the index and takes one out."""
Serving = asyncio.Future[grpc.Server]


class Watched(Protocol):
    """A store, as much of it as a server waits for."""

    async def wait_synced(self) -> None: ...


class Index(Protocol):
    """A plane's world, as much of it as routes and complaints need."""

    def put_route(self, group: str, word: str, obj: Any, /) -> Iterable[topics.Topic]: ...

    def drop_route(self, group: str, word: str, key: names.Key, /) -> Iterable[topics.Topic]: ...

    def take_complaints(self) -> Iterable[str]: ...


def routes(known: Index, kinds: Iterable[tuple[type[Any], str, str]]) -> list[Feed]:
    """The feeds of route kinds, each with its API group and the word it is known by."""

    def one(kind: type[Any], group: str, word: str) -> Feed:
        return kind, True, lambda obj: known.put_route(group, word, obj), lambda key: known.drop_route(group, word, key)

    return [one(*row) for row in kinds]


async def synced(stores: Iterable[Watched]) -> None:
    """Returns once each has brought a whole list."""
    for each in stores:
        await each.wait_synced()


def open_when_synced(
    process: runtime.Runtime, stores: Iterable[Watched], services: list[grpc.Service], port: int
) -> Serving:
    """A server on all addresses, once every store is whole: no proxy is ever told of half a cluster."""
    serving: Serving = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        await synced(stores)
        server = await grpc.serve(services, f"[::]:{port}")
        process.closing(server.stop)
        process.log.info("serving", port=server.port)
        serving.set_result(server)

    process.ready_when("grpc", serving.done)
    process.spawn(serve(), name="grpc")
    return serving


async def complain(process: runtime.Runtime, known: Index) -> None:
    """Says what was found malformed, for ever."""
    while True:
        await asyncio.sleep(1.0)
        for sentence in known.take_complaints():
            process.log.warning("left out", why=sentence)


def gauges(registry: prometheus_client.CollectorRegistry, rows: Iterable[tuple[str, str, Callable[[], float]]]) -> None:
    """Gauges (name, what it is, how to read it), read when asked."""
    for name, says, read in rows:
        prometheus_client.Gauge(name, says, registry=registry).set_function(read)
