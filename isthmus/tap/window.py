"""One question to one proxy: its next so many requests. In: its events in order. Out: what it did not tell. Pure.

A proxy numbers the requests it takes and drops what a full queue has no room for, without a word in the stream; the numbers show it.
Never here: the stream (see `stream`).
"""

from dataclasses import dataclass, field

from isthmus.rpc import viz_tap_pb2 as api


@dataclass(slots=True)
class Window:
    """The events of one question. `base` is the number it has in a client's stream."""

    base: int
    limit: int
    begun: int = 0
    highest: int = -1
    _open: set[int] = field(default_factory=set[int])

    @property
    def spent(self) -> bool:
        """The proxy takes no more requests for it."""
        return self.highest + 1 >= self.limit

    def take(self, event: api.TapEvent) -> None:
        """Count an event, and give its request a number that is its own in the client's stream."""
        which = event.http.WhichOneof("event")
        if which is None:
            return
        part = getattr(event.http, which)
        number = int(part.id.stream)
        part.id.base = self.base
        if which == "request_init":
            self.begun += 1
            self.highest = max(self.highest, number)
            self._open.add(number)
        elif which == "response_end":
            self._open.discard(number)

    def untold(self) -> int:
        """Events that must have been and were not told, once the proxy has ended the stream: three of a request that never began, one
        of a request that never ended.
        """
        return 3 * (self.highest + 1 - self.begun) + len(self._open)
