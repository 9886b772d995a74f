"""Groups whose commands are rows of a table: word -> (where it is written, one sentence). In: the table. Out: a click group.

A command's module is imported when its word is said, never before. Never here: any word.
"""

import importlib
import os
from collections.abc import Mapping
from typing import Any

import click

Rows = Mapping[str, tuple[str, str]]


class Menu(click.Group):
    """A group of the words in `rows`; the list people see and the list that runs are the same, but for `hidden_words`."""

    def __init__(self, *args: Any, rows: Rows, hidden_words: frozenset[str] = frozenset(), **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.rows = rows
        self.hidden_words = hidden_words

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [word for word in self.rows if word not in self.hidden_words]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = self.rows.get(cmd_name)
        if row is None:
            return None
        module, _, attribute = row[0].partition(":")
        found: Any = getattr(importlib.import_module(module), attribute)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(word, self.rows[word][1]) for word in self.list_commands(ctx)])


def let_go() -> int:
    """`isthmus install | head`: the reader has enough, which is no failure. Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0
