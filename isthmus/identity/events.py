"""Tell Kubernetes what happened. In: a reason, a sentence, an object. Out: an Event, when the API server takes it.

Nobody waits for an event and nothing fails for one: they go through a queue of QUEUE, and what finds it full is dropped.
Never here: what is worth an event.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from lightkube.models.core_v1 import EventSource, ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event

from isthmus.errors import IsthmusError
from isthmus.kube import client

QUEUE = 256
COMPONENT = "linkerd-identity"


@dataclass(frozen=True, slots=True)
class Subject:
    """The object an event is about."""

    api_version: str
    kind: str
    namespace: str
    name: str


class Teller:
    """Queues events and posts them one by one."""

    def __init__(self, client: client.Client) -> None:
        self._client = client
        self._queue: asyncio.Queue[Event] = asyncio.Queue(QUEUE)

    def tell(self, subject: Subject, reason: str, sentence: str, *, warning: bool, now: datetime) -> None:
        """Queue one event; it is dropped when QUEUE of them wait already."""
        moment = now.astimezone(UTC)
        # Kubernetes itself names events so: what they are about, and when.
        name = f"{subject.name}.{int(moment.timestamp() * 1e9):x}"
        about = ObjectReference(
            apiVersion=subject.api_version, kind=subject.kind, namespace=subject.namespace, name=subject.name
        )
        event = Event(
            metadata=ObjectMeta(name=name, namespace=subject.namespace),
            involvedObject=about,
            reason=reason,
            message=sentence[:1000],
            type="Warning" if warning else "Normal",
            source=EventSource(component=COMPONENT),
            firstTimestamp=moment.replace(microsecond=0),
            lastTimestamp=moment.replace(microsecond=0),
            count=1,
        )
        if not self._queue.full():
            self._queue.put_nowait(event)

    async def run(self) -> None:
        """Post events until cancelled; one that is refused is gone."""
        while True:
            event = await self._queue.get()
            try:
                await self._client.create(event)
            except IsthmusError:
                continue
