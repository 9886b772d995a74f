"""Follow the mounted issuer and trust anchors. In: two folders a kubelet keeps up to date. Out: the issuer in force.

Each second the files are read and, when they differ from what was last seen, tried; a pair that is no good is told once and the old
issuer stays. A missed file event cannot matter, since none is waited for. Both Secret schemes are taken: crt.pem and key.pem
(linkerd.io/tls), or tls.crt and tls.key (kubernetes.io/tls). Never here: signing.
"""

import asyncio
import pathlib
from collections.abc import Callable
from datetime import datetime

from isthmus.errors import IsthmusError
from isthmus.identity import issuer

POLL = 1.0
SCHEMES = (("crt.pem", "key.pem"), ("tls.crt", "tls.key"))
ROOTS = "ca-bundle.crt"
SIZE_LIMIT = 1024 * 1024

Tell = Callable[[str, str], None]
"""(reason, sentence): an event."""
Now = Callable[[], datetime]


class Keeper:
    """The issuer in force, or None until the first good one."""

    def __init__(self, issuer_dir: pathlib.Path, roots_dir: pathlib.Path, tell: Tell, now: Now) -> None:
        self.current: issuer.Issuer | None = None
        self._issuer_dir = issuer_dir
        self._roots_dir = roots_dir
        self._tell = tell
        self._now = now
        self._seen: tuple[bytes, bytes, bytes] | None = None
        self._told = ""

    def ttl(self) -> float:
        """Seconds until the issuer ends; 0 when there is none."""
        return (self.current.ends - self._now()).total_seconds() if self.current else 0.0

    def anchor_ttl(self) -> float:
        """Seconds until the trust anchor above the issuer ends; 0 when there is no issuer."""
        return (self.current.anchor_ends - self._now()).total_seconds() if self.current else 0.0

    def look(self) -> None:
        """Read the files and take what is new and good; reading twice in a row sees one state of a Secret."""
        try:
            found = self._read()
            if found == self._seen:
                return
            fresh = issuer.load(*found, self._now())
        except IsthmusError as error:
            # Tried again each second: what is not valid yet will be, and its file may be half of a change.
            self._skip(error.sentence)
            return
        self._seen, self.current, self._told = found, fresh, ""
        until = f"{fresh.ends:%Y-%m-%d %H:%M} UTC"
        self._tell("IssuerUpdated", f"issuer {fresh.chain[0].subject.rfc4514_string()}, good until {until}")

    def _skip(self, why: str) -> None:
        """The issuer in force stays; said once for each reason."""
        if why != self._told:
            self._told = why
            self._tell("IssuerUpdateSkipped", why)

    async def run(self) -> None:
        """Look each second, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(POLL)

    def _read(self) -> tuple[bytes, bytes, bytes]:
        """Certificate, key, anchors as they are now."""
        for certificate, key in SCHEMES:
            if (self._issuer_dir / certificate).exists():
                return (
                    _bytes(self._issuer_dir / certificate),
                    _bytes(self._issuer_dir / key),
                    _bytes(self._roots_dir / ROOTS),
                )
        raise IsthmusError(f"{self._issuer_dir} has neither crt.pem nor tls.crt")


def _bytes(path: pathlib.Path) -> bytes:
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise IsthmusError(f"{path} is larger than {SIZE_LIMIT} bytes")
        return path.read_bytes()
    except OSError as error:
        raise IsthmusError(f"{path} cannot be read: {error.strerror}") from error
