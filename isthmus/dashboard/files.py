"""The page's files. In: the folder a build of `web/` left. Out: each file with its type, compressed, and how long it may be kept.

All files are read once, at the start. Names under `assets/` carry a hash of their content, so that they may be kept for a year; every path
without a file is a page of the application. Never here: the API. Limits: FILES files, SIZE bytes in all.
"""

import gzip
import mimetypes
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass

from isthmus.errors import IsthmusError

FILES = 500
SIZE = 32 * 1024 * 1024
SMALL = 1024
"""Bytes below which compressing is not worth it."""
INDEX = "/index.html"
FOLDER = pathlib.Path(__file__).parent / "page"
TEXT = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/manifest+json")
MISSING = (
    "the page is not built\n\nThe backend runs and answers /api, but the page's files are missing. Build them in a checkout:\n\n"
    "    make web\n\nand start the dashboard again.\n"
)


@dataclass(frozen=True, slots=True)
class File:
    """One file, ready to be sent. `packed` is empty where compressing does not pay."""

    kind: str
    body: bytes
    packed: bytes
    forever: bool

    def headers(self, *, packed: bool) -> list[tuple[bytes, bytes]]:
        """The headers of an answer with this file."""
        kept = b"public, max-age=31536000, immutable" if self.forever else b"no-cache"
        size = len(self.packed if packed else self.body)
        found = [
            (b"content-type", self.kind.encode()),
            (b"cache-control", kept),
            (b"content-length", str(size).encode()),
            (b"vary", b"accept-encoding"),
        ]
        return [*found, (b"content-encoding", b"gzip")] if packed else found


class Page:
    """All files, by path."""

    def __init__(self, files: Mapping[str, File]) -> None:
        self._files = files

    @property
    def built(self) -> bool:
        return INDEX in self._files

    def find(self, path: str) -> File | None:
        """The file of a path; the application itself for every path that is none. None: there is no such file, or no page at all."""
        found = self._files.get(path)
        if found is not None or path.startswith("/assets/"):
            return found
        return self._files.get(INDEX)


def read(folder: pathlib.Path = FOLDER) -> Page:
    """The files under `folder`; a page without files where there is no such folder.

    Raises:
        IsthmusError: it is too large to be ours.
    """
    files: dict[str, File] = {}
    total = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()) if folder.is_dir() else ():
        total += path.stat().st_size
        if total > SIZE or len(files) >= FILES:
            raise IsthmusError(f"{folder} has more than {FILES} files or {SIZE} bytes", hint="make web builds it anew")
        name = "/" + path.relative_to(folder).as_posix()
        files[name] = _file(name, path.read_bytes())
    return Page(files)


def _file(name: str, body: bytes) -> File:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = "text/javascript" if kind.endswith("/javascript") else kind
    text = kind.startswith(TEXT)
    packed = gzip.compress(body, 9, mtime=0) if text and len(body) >= SMALL else b""
    return File(f"{kind}; charset=utf-8" if text else kind, body, packed, forever=name.startswith("/assets/"))
