"""Answers shown, once or again and again. In: a `View`, a question to one cluster, columns. Out: tables on stdout, sentences on stderr.

Every word that shows traffic ends here, so that all take several clusters, JSON and --watch in the same way.
Never here: what is asked. Limits: a redraw every PAUSE seconds, cut to the terminal's size.
"""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field

import click

from isthmus.cli import output
from isthmus.cli.viz import flags, several, table
from isthmus.errors import IsthmusError

PAUSE = 2.0
_ENTER, _LEAVE, _HOME, _REST = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[J"


@dataclass(frozen=True, slots=True)
class Found:
    """What one cluster answered: rows, and sentences for people (why there are none, what to do)."""

    rows: Sequence[table.Row]
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything there is to show at one moment."""

    rows: Sequence[table.Row]
    tables: Sequence[table.Table]
    notes: Sequence[str] = field(default=())


Work = Callable[[several.Cluster], Awaitable[Found]]
Layout = Callable[[Sequence[table.Row]], Sequence[table.Table]]


def run(view: flags.View, work: Work, layout: Layout, *, head: str = "CLUSTER") -> int:
    """Ask, show; with --watch until Ctrl-C. `head` is the heading of the column that says which cluster was asked."""
    asked = several.asked(view.scope, every=view.every_cluster)
    several_asked = view.every_cluster or len(asked) > 1

    async def whole() -> None:
        async with several.opened(asked) as clusters:

            async def look() -> Picture:
                answers = await several.gather(clusters, work)
                return picture(answers, layout, every=view.every_cluster, head=head if several_asked else "")

            if view.watch:
                await _again(view, look)
            else:
                _print(view, await look())

    if not view.watch:
        asyncio.run(whole())
        return 0
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(whole())
    return 0


def picture(answers: Sequence[several.Answer[Found]], layout: Layout, *, every: bool, head: str) -> Picture:
    """Pure: the answers of all clusters as one; `head` "" leaves the column of the cluster out of tables, not out of JSON."""
    well, sentences = several.settle(answers, every=every)
    rows: list[table.Row] = []
    for one in well:
        found = one.value or Found(())
        rows += [{"cluster": one.cluster.name, **row} for row in found.rows]
        sentences += [f"{one.cluster.name}: {note}" if head else note for note in found.notes]
    tables = [one for one in layout(rows) if one.rows]
    if head:
        first = table.text(head, "cluster")
        tables = [table.Table((first, *one.columns), one.rows, one.title) for one in tables]
    return Picture(rows, tables, sentences)


def text(view: flags.View, shown: Picture, *, colour: bool) -> list[str]:
    """Pure: a picture's lines as --output wants them."""
    if view.form == "json":
        return json.dumps(list(shown.rows), indent=2).splitlines()
    out: list[str] = []
    for one in shown.tables:
        out += ([""] if out and view.headers else []) + table.lines(one, headers=view.headers, colour=colour)
    return out


def _print(view: flags.View, shown: Picture) -> None:
    lines = text(view, shown, colour=output.coloured(sys.stdout))
    if lines:
        click.echo("\n".join(lines))
    for note in shown.notes:
        output.say(note)


async def _again(view: flags.View, look: Callable[[], Awaitable[Picture]]) -> None:
    """Until cancelled. On a terminal the picture is redrawn in place and its last state left; elsewhere each is printed after the other."""
    if not sys.stdout.isatty() or view.form == "json":
        while True:
            shown = await _tried(look)
            _print(view, shown)
            sys.stdout.flush()
            await asyncio.sleep(PAUSE)
    last = Picture((), ())
    resized = asyncio.Event()
    try:
        with _screen(resized):
            while True:
                last = await _tried(look)
                clock = asyncio.get_running_loop().time
                end = clock() + PAUSE
                while (left := end - clock()) > 0:
                    _draw(view, last)
                    resized.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(resized.wait(), left)
    finally:
        _print(view, last)


async def _tried(look: Callable[[], Awaitable[Picture]]) -> Picture:
    """A picture of the refusal where all clusters refuse: what is away may come back."""
    try:
        return await look()
    except IsthmusError as refused:
        return Picture((), (), (str(refused),))


@contextlib.contextmanager
def _screen(resized: asyncio.Event) -> Generator[None]:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGWINCH, resized.set)
    sys.stdout.write(_ENTER)
    try:
        yield
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        loop.remove_signal_handler(signal.SIGWINCH)


def _draw(view: flags.View, shown: Picture) -> None:
    size = shutil.get_terminal_size()
    notes = [line for note in shown.notes for line in note.splitlines()]
    lines = fit([*text(view, shown, colour=output.coloured(sys.stdout)), *notes], size.columns, size.lines)
    sys.stdout.write(_HOME + "\n".join(f"{line}\x1b[K" for line in lines) + _REST)
    sys.stdout.flush()


def fit(lines: Sequence[str], columns: int, rows: int) -> list[str]:
    """Pure: what a terminal of that size holds; the last line says what it does not."""
    if len(lines) > rows:
        lines = [*lines[: rows - 1], f"... {len(lines) - rows + 1} more lines"]
    return [table.clip(line, columns) for line in lines]
