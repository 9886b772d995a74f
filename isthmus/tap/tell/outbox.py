"""What waits for one client. In: events as they come. Out: frames, when the client takes them; how many found no room.

A client that is slower than its events loses some of them, is told how many when it asks for notices, and holds up nobody.
Never here: sockets. Limit: ROOM frames.
"""

import asyncio
from collections import deque

from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap.tell import frames

ROOM = 2000


class Outbox:
    """Frames in order. `notices`: the client understands them."""

    def __init__(self, *, notices: bool, room: int = ROOM) -> None:
        self._notices = notices
        self._room = room
        self._frames: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._untold = 0
        self.told = 0
        self.dropped = 0

    def put(self, event: api.TapEvent) -> bool:
        """Whether there was room."""
        if len(self._frames) >= self._room:
            self.lost(1, here=True)
            return False
        self._frames.append(frames.frame(event.SerializeToString()))
        self._filled.set()
        return True

    def say(self, sentence: str, dropped: int = 0) -> None:
        """A notice; only clients that understand them get it. It takes no event's room: there are few."""
        if self._notices and len(self._frames) < 2 * self._room:
            notice = api.TapEvent.Notice(sentence=sentence, dropped=dropped)
            self._frames.append(frames.frame(api.TapEvent(notice=notice).SerializeToString()))
            self._filled.set()

    def lost(self, events: int, *, here: bool = False) -> None:
        """Events nobody will see; those without room `here` are summed up until there is some again."""
        self.dropped += events
        if here:
            self._untold += events

    async def take(self) -> bytes:
        """All that waits, as one part of a body; waits while there is nothing. Its limit is the stream's own life."""
        await self._filled.wait()
        taken = b"".join(self._frames)
        self.told += len(self._frames)
        self._frames.clear()
        self._filled.clear()
        if self._untold:
            events, self._untold = self._untold, 0
            self.say(f"{events} events dropped: they came faster than this client reads", events)
        return taken
