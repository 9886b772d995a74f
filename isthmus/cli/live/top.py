"""`isthmus top`: live requests summed up. In: flags, keys. Out: a table that is redrawn; off a terminal one table after --seconds.

Never here: what is summed up (see `sums`). Limits: REDRAW seconds between drawings, rows that the terminal has lines for.
"""

import asyncio
import contextlib
import dataclasses
import shutil
import sys
import termios
import time
import tty
from collections.abc import Generator
from contextlib import aclosing

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from isthmus.cli import output
from isthmus.cli.live import lines, sums, tapping
from isthmus.tap.tell import events

REDRAW = 0.5
KEYS = {"c": "count", "l": "last", "w": "worst", "b": "best", "s": "success", "p": "path"}


@click.command()
@click.argument("resource", default="")
@tapping.flags
@click.option("--hide-sources", is_flag=True, help="One row for all who ask.")
@click.option("--routes", is_flag=True, help="By route instead of by path.")
@click.option("--sort", "order", type=click.Choice(tuple(sums.ORDERS)), default="count", show_default=True)
@click.option("--seconds", type=float, default=None, help="End after so long. Default off a terminal: 10.")
def top(
    *,
    wanted: tapping.Wanted,
    resource: str,
    hide_sources: bool,
    routes: bool,
    order: str,
    seconds: float | None,
) -> int:
    """Live requests of a resource or a namespace, summed up by who, whom and what.

    On a terminal c, l, w, b, s and p sort by count, last, worst, best, success and path; q ends.
    """
    screen = Screen(sums.Sums(sources=not hide_sources, routes=routes), order, sources=not hide_sources, routes=routes)
    live = sys.stdout.isatty()
    wanted = dataclasses.replace(wanted, words=resource)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(wanted, screen, seconds or (None if live else 10.0), live=live))
    click.echo("\n".join(screen.plain()))
    if screen.sums.dropped:
        output.say(f"{screen.sums.dropped} events were dropped; --max-rps asks for fewer")
    return 0


class Screen:
    """The table as it is now."""

    def __init__(self, summed: sums.Sums, order: str, *, sources: bool, routes: bool) -> None:
        self.sums = summed
        self.order = order
        self.over = asyncio.Event()
        self.note = ""
        self._many = False
        self._sources, self._what = sources, "ROUTE" if routes else "PATH"

    def take(self, event: events.Event, *, many: bool) -> None:
        """Count an event."""
        self._many = many
        self.sums.take(event)
        if event.kind == events.NOTICE:
            self.note = lines.line(event, cluster=many)

    def press(self, key: str) -> None:
        """A key was pressed."""
        self.order = KEYS.get(key, self.order)
        if key == "q":
            self.over.set()

    def header(self) -> list[str]:
        first = [*(["CLUSTER"] if self._many else []), *(["SOURCE"] if self._sources else [])]
        return [*first, "DESTINATION", "METHOD", self._what, "COUNT", "BEST", "WORST", "LAST", "SUCCESS"]

    def cells(self, room: int) -> list[list[str]]:
        """The rows there is room for."""
        return [
            [
                *([row.cluster] if self._many else []),
                *([row.source] if self._sources else []),
                *(row.destination, row.method, row.path, str(row.count)),
                *(lines.millis(row.best), lines.millis(row.worst), lines.millis(row.last), f"{row.success:.2%}"),
            ]
            for row in self.sums.rows(self.order)[:room]
        ]

    def plain(self) -> list[str]:
        """Everything, for a file or a pipe."""
        return output.table(self.header(), self.cells(sums.ROWS)).splitlines()

    def drawn(self) -> Table:
        """As much as the terminal has lines for."""
        size = shutil.get_terminal_size((120, 24))
        made = Table(box=None, pad_edge=False, header_style="bold", expand=False, width=size.columns)
        for name in self.header():
            right = name in ("COUNT", "BEST", "WORST", "LAST", "SUCCESS")
            made.add_column(name, justify="right" if right else "left", no_wrap=True, overflow="ellipsis")
        for row in self.cells(max(1, size.lines - 3)):
            well = row[-1] == "100.00%"
            made.add_row(*(Text(cell) for cell in row[:-1]), Text(row[-1], style="green" if well else "red"))
        made.caption = f"sorted by {self.order}; keys c l w b s p, q ends" + (f"; {self.note}" if self.note else "")
        made.caption_justify = "left"
        return made


async def _run(wanted: tapping.Wanted, screen: Screen, seconds: float | None, *, live: bool) -> None:
    async def follow() -> None:
        async with aclosing(tapping.told(wanted)) as stream:
            async for event, many in stream:
                screen.take(event, many=many)

    with _keys(screen) if live else contextlib.nullcontext():
        shown = Live(screen.drawn(), console=Console(), screen=True, auto_refresh=False) if live else None
        with shown or contextlib.nullcontext():
            following = asyncio.get_running_loop().create_task(follow())
            began = time.monotonic()
            try:
                while not screen.over.is_set() and (seconds is None or time.monotonic() - began < seconds):
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(screen.over.wait(), min(REDRAW, seconds or REDRAW))
                    if shown:
                        shown.update(screen.drawn(), refresh=True)
                    if following.done():
                        following.result()
                        return
            finally:
                following.cancel()
                await asyncio.wait([following])


@contextlib.contextmanager
def _keys(screen: Screen) -> Generator[None]:
    """Keys one by one, without Return, while the block runs."""
    if not sys.stdin.isatty():
        yield
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    loop = asyncio.get_running_loop()
    loop.add_reader(number, lambda: screen.press(sys.stdin.read(1)))
    tty.setcbreak(number)
    try:
        yield
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)
