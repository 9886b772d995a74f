"""Rows laid out. In: rows as JSON has them, columns. Out: text as Linkerd's users know it: `99.50%`, `1.5rps`, `12ms`. Pure.

A row is what `-o json` prints; a column says how one of its values looks. Never here: where rows come from, a terminal.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

Row = dict[str, Any]
GAP = "   "
NONE = "-"
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def plain(_: Row) -> str:
    """No colour."""
    return ""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, how a row looks under it, on which side, in which colour ("" for none)."""

    head: str
    show: Callable[[Row], str]
    right: bool = False
    tint: Callable[[Row], str] = plain


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one shape."""

    columns: Sequence[Column]
    rows: Sequence[Row]
    title: str = ""


def text(head: str, key: str) -> Column:
    """A word, on the left."""
    return Column(head, lambda row: str(row.get(key) or NONE))


def number(head: str, key: str, form: str) -> Column:
    """A value written by a format such as `{:.1f}rps`; `-` where it was not measured."""
    return Column(head, lambda row: NONE if row.get(key) is None else form.format(row[key]), right=True)


def share(head: str, key: str) -> Column:
    """A share from 0 to 1 as per cent; below 100 % it is coloured."""

    def tint(row: Row) -> str:
        value = row.get(key)
        return "" if value is None or value >= 1 else "yellow" if value >= 0.95 else "red"

    return Column(head, lambda row: NONE if row.get(key) is None else f"{row[key]:.2%}", right=True, tint=tint)


def latencies() -> tuple[Column, ...]:
    """The three that every table of requests ends with."""
    return tuple(Column(f"LATENCY_P{p}", _millis(f"latency_ms_p{p}"), right=True) for p in (50, 95, 99))


def _millis(key: str) -> Callable[[Row], str]:
    """Whole milliseconds, and tenths below one where they were measured."""

    def show(row: Row) -> str:
        value = row.get(key)
        return NONE if value is None else f"{value:.1f}ms" if 0 < value < 1 else f"{value:.0f}ms"

    return show


def golden(rate: str = "{:.1f}rps") -> tuple[Column, ...]:
    """Success, rate, latencies."""
    return (share("SUCCESS", "success"), number("RPS", "rps", rate), *latencies())


def lines(table: Table, *, headers: bool = True, colour: bool = False) -> list[str]:
    """The lines of a table; all columns but those of words are aligned to the right."""
    cells = [[column.show(row) for column in table.columns] for row in table.rows]
    heads = [column.head for column in table.columns]
    shown = [heads, *cells] if headers else cells
    widths = [max((len(line[i]) for line in shown), default=0) for i in range(len(heads))]
    out = [table.title] if table.title else []
    if headers:
        out.append(_line([_pad(h, w, c) for h, w, c in zip(heads, widths, table.columns, strict=True)]))
    for row, line in zip(table.rows, cells, strict=True):
        padded = [_pad(cell, w, c) for cell, w, c in zip(line, widths, table.columns, strict=True)]
        tints = [column.tint(row) if colour else "" for column in table.columns]
        out.append(_line([click.style(p, fg=t) if t else p for p, t in zip(padded, tints, strict=True)]))
    return out


def _pad(cell: str, width: int, column: Column) -> str:
    return cell.rjust(width) if column.right else cell.ljust(width)


def _line(cells: Sequence[str]) -> str:
    return GAP.join(cells).rstrip()


def clip(line: str, width: int) -> str:
    """The first `width` visible characters; colours cost none, and are ended."""
    if len(_ANSI.sub("", line)) <= width:
        return line
    out, room = "", width
    for part in re.split(r"(\x1b\[[0-9;]*m)", line):
        if _ANSI.fullmatch(part):
            out += part
        else:
            out, room = out + part[:room], room - min(len(part), room)
    return out
