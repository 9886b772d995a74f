"""How commands speak. In: sentences, tables, progress. Out: text on stdout for programs, on stderr for people.

Colour only on a terminal without NO_COLOR. Never here: what is said (see the commands).
"""

import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TextIO

import click

MARKS = {"ok": ("√", "green"), "warn": ("‼", "yellow"), "fail": ("×", "red")}
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def mark(verdict: str) -> str:
    """√, ‼ or × in its colour."""
    sign, colour = MARKS[verdict]
    return click.style(sign, fg=colour) if coloured(sys.stdout) else sign


def coloured(stream: TextIO) -> bool:
    """Whether colour is wanted on `stream`."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(sentence: str) -> None:
    """A line for people; it never mixes with what a program reads."""
    click.echo(sentence, err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as kubectl prints them; the last column is not padded."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = [
        "   ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *rows]
    ]
    return "\n".join(lines)


class Progress:
    """One line on stderr that is rewritten on a terminal; elsewhere a line for each thing that is done."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._begin = time.monotonic()
        self._width = 0
        self._turn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def now(self, doing: str) -> None:
        """What is going on; seen on a terminal only."""
        if not self._live:
            return
        self._clear()
        self._turn += 1
        line = f"{_SPINNER[self._turn % len(_SPINNER)]} {doing} ({time.monotonic() - self._begin:.0f} s)"[:110]
        self._stream.write(line)
        self._stream.flush()
        self._width = len(line)

    def done(self, what: str) -> None:
        """Something that is finished; it stays."""
        self._clear()
        sign = click.style("√", fg="green") if coloured(self._stream) else "√"
        self._stream.write(f"{sign} {what} ({time.monotonic() - self._begin:.1f} s)\n")
        self._stream.flush()

    def _clear(self) -> None:
        if self._live and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._width = 0
