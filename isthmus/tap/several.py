"""Taps of several clusters as one stream. In: clients, wishes. Out: events in the order in which they come.

A stream that is cut is opened again, as often as its `Patience` has pauses. One that ends or breaks is a sentence among the events, and
does not end the others; when all have ended, that is an error, as nobody asks for an end but by leaving.
Never here: matching events of one request (see `join`). Limit: ROOM events wait for the reader; then the tap services wait and drop.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from isthmus.errors import Cut, IsthmusError
from isthmus.kube import client as kube
from isthmus.tap import client as streams
from isthmus.tap.tell import events

ROOM = 1000


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds before each further try of a stream that was cut; one that had held for `steady` seconds has all of them again."""

    pauses: Sequence[float] = (0.2, 1.0, 5.0)
    steady: float = 60.0


@dataclass(frozen=True, slots=True)
class Source:
    """One stream: a wish to one cluster. `quiet`: that it has nothing to tap is no news."""

    cluster: str
    client: kube.Client
    wish: streams.Wish
    quiet: bool = False


PATIENT = Patience()


async def follow(
    sources: Sequence[Source], patience: Patience = PATIENT
) -> AsyncGenerator[tuple[Source, events.Event]]:
    """Events of all.

    Raises:
        IsthmusError: every stream was refused, or has ended; with several, each one's sentence.
    """
    async with aclosing(ticking(sources, None, patience)) as stream:
        async for one in stream:
            if one is not None:
                yield one


async def ticking(
    sources: Sequence[Source], tick: float | None, patience: Patience = PATIENT
) -> AsyncGenerator[tuple[Source, events.Event] | None]:
    """The same, and None whenever nothing came for `tick` seconds."""
    queue: asyncio.Queue[tuple[Source, events.Event | IsthmusError | None]] = asyncio.Queue(ROOM)
    loop = asyncio.get_running_loop()

    async def read(source: Source) -> None:
        async for event in streams.open_(source.client, source.wish, cluster=source.cluster):
            await queue.put((source, event))
        await queue.put((source, None))

    async def again(source: Source) -> None:
        pauses = iter(patience.pauses)
        while True:
            since = loop.time()
            try:
                return await read(source)
            except Cut as cut:
                if loop.time() - since >= patience.steady:
                    pauses = iter(patience.pauses)
                pause = next(pauses, None)
                if pause is None:
                    raise
                said = f"{cut.sentence}; it is tapped again, what went by meanwhile is missing"
                await queue.put((source, events.Event(events.NOTICE, source.cluster, sentence=said)))
                await asyncio.sleep(pause)

    async def one(source: Source) -> None:
        try:
            await again(source)
        except IsthmusError as error:
            await queue.put((source, error))
        except Exception as error:
            await queue.put((source, IsthmusError(f"cluster {source.cluster!r}: {error!r}")))
            raise

    refused: list[tuple[Source, IsthmusError]] = []
    # No TaskGroup: a generator that is closed where it yields must not turn that into a group of errors.
    tasks = [loop.create_task(one(source), name=f"tap {source.cluster}") for source in sources]
    try:
        while len(refused) < len(tasks):
            try:
                async with asyncio.timeout(tick):
                    source, what = await queue.get()
            except TimeoutError:
                yield None
                continue
            if isinstance(what, events.Event):
                yield source, what
                continue
            refused.append((source, what or IsthmusError("the stream has ended")))
            if not source.quiet and len(refused) < len(tasks):
                yield source, events.Event(events.NOTICE, source.cluster, sentence=refused[-1][1].sentence)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    loud = [error for source, error in refused if not source.quiet] or [error for _, error in refused]
    raise loud[0] if len(loud) == 1 else IsthmusError("; ".join(dict.fromkeys(e.sentence for e in loud)))
