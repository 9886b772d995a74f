"""Taps of several clusters as one stream. In: clients, wishes. Out: events in the order in which they come.

A stream that ends or breaks is a sentence among the events, and does not end the others; when all have ended, so does this.
Never here: matching events of one request (see `join`). Limit: ROOM events wait for the reader; then the tap services wait and drop.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from isthmus.errors import IsthmusError
from isthmus.kube import client as kube
from isthmus.tap import client as streams
from isthmus.tap import events

ROOM = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """One stream: a wish to one cluster. `quiet`: that it has nothing to tap is no news."""

    cluster: str
    client: kube.Client
    wish: streams.Wish
    quiet: bool = False


async def follow(sources: Sequence[Source]) -> AsyncGenerator[tuple[Source, events.Event]]:
    """Events of all.

    Raises:
        IsthmusError: every stream was refused; with several, each one's sentence.
    """
    queue: asyncio.Queue[tuple[Source, events.Event | IsthmusError | None]] = asyncio.Queue(ROOM)
    refused: list[tuple[Source, IsthmusError]] = []

    async def one(source: Source) -> None:
        try:
            async for event in streams.open_(source.client, source.wish, cluster=source.cluster):
                await queue.put((source, event))
            await queue.put((source, None))
        except IsthmusError as error:
            await queue.put((source, error))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(source)) for source in sources]
        try:
            left = len(tasks)
            while left:
                source, what = await queue.get()
                if isinstance(what, events.Event):
                    yield source, what
                    continue
                left -= 1
                sentence = what.sentence if what else "the stream has ended"
                if what is not None:
                    refused.append((source, what))
                if not source.quiet and left:
                    yield source, events.Event(events.NOTICE, source.cluster, sentence=sentence)
        finally:
            for task in tasks:
                task.cancel()
    if len(refused) == len(sources):
        loud = [error for source, error in refused if not source.quiet] or [error for _, error in refused]
        raise loud[0] if len(loud) == 1 else IsthmusError("; ".join(dict.fromkeys(e.sentence for e in loud)))
