"""A slot that holds the newest state and wakes its one waiter. In: any number of `set`s. Out: each `wait` sees the newest once.

Instead of a queue: a slow stream never holds more than one value, and never sees an old one (design D8). Never here: what the value is.
"""

import asyncio
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """One writer side, one waiting reader. A closed slot hands out what it still holds, then ends."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._value: list[T] = []
        self._closed = False

    def set(self, value: T) -> None:
        """Replace whatever was not read yet."""
        self._value[:] = [value]
        self._event.set()

    def close(self) -> None:
        """No more values: a waiter gets `EndOfValues`."""
        self._closed = True
        self._event.set()

    async def wait(self) -> T:
        """The newest value; waits when it was read already. Its limit is the stream's own life."""
        while not self._value:
            if self._closed:
                raise EndOfValues
            self._event.clear()
            await self._event.wait()
        return self._value.pop()


class Wake(Latest[None]):
    """A slot without a value: something changed, look again."""

    def ring(self) -> None:
        """Many rings before a wait count as one."""
        self.set(None)


class EndOfValues(Exception):
    """The slot was closed and is empty."""
