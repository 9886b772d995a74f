"""How events stand in an HTTP body: four bytes of length, little end first, then the message. In: bytes. Out: bytes. Pure.

Never here: what a message means. Limit: LIMIT bytes a frame.
"""

import struct
from collections.abc import Iterator

from isthmus.errors import IsthmusError

LIMIT = 1 << 20
_LENGTH = struct.Struct("<I")


def frame(message: bytes) -> bytes:
    """One message as it goes over the wire."""
    return _LENGTH.pack(len(message)) + message


class Reader:
    """Messages out of parts of a body, however they are cut."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The messages that `part` completes.

        Raises:
            IsthmusError: a frame is larger than any event is.
        """
        self._held += part
        while len(self._held) >= _LENGTH.size:
            size: int = _LENGTH.unpack_from(self._held)[0]
            if size > LIMIT:
                raise IsthmusError(f"the tap stream brought a frame of {size} bytes, the limit is {LIMIT}")
            end = _LENGTH.size + size
            if len(self._held) < end:
                return
            message = bytes(self._held[_LENGTH.size : end])
            del self._held[:end]
            yield message
