"""The look of the demonstration: one table a phase, alive on a terminal, printed once elsewhere.

In: a phase and its rows. Out: text on stdout; progress sentences on stderr. Never here: numbers' meaning (see `measure`).
"""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.table import Table

from isthmus.demo import measure, story

_out = Console(width=None if sys.stdout.isatty() else 150)
_started = time.monotonic()

Draw = Callable[[list[measure.Row], int], None]


def say(sentence: str) -> None:
    """A progress line with the seconds since the start."""
    print(f"[{time.monotonic() - _started:5.1f} s] {sentence}", file=sys.stderr, flush=True)


@contextmanager
def live(phase: story.Phase) -> Generator[Draw]:
    """A table that may be drawn again and again; what was drawn last stays."""
    last = [build(phase, [], 0)]
    with Live(last[0], console=_out, auto_refresh=False, transient=not _out.is_terminal) as view:

        def draw(rows: list[measure.Row], failed: int) -> None:
            last[0] = build(phase, rows, failed)
            if _out.is_terminal:
                view.update(last[0], refresh=True)

        yield draw
    if not _out.is_terminal:
        _out.print(last[0])


def build(phase: story.Phase, rows: list[measure.Row], failed: int) -> Table:
    """One phase as a table."""
    view = Table(title=phase.title, title_justify="left", caption=f"failed so far: {failed}", caption_justify="left")
    for column in ("CLUSTER", "RPS", "SUCCESS", "SHARE", "P50", "P99", "TLS", "PEER"):
        view.add_column(column, justify="left" if column in ("CLUSTER", "TLS", "PEER") else "right")
    for row in rows:
        view.add_row(
            row.peer.cluster,
            f"{row.rps:.1f}",
            f"{row.success:.2%}",
            f"{row.share:.1%}",
            f"{row.p50:.1f} ms",
            f"{row.p99:.1f} ms",
            "√ mTLS" if row.peer.tls == "true" else "× clear",
            row.peer.identity,
        )
    return view
