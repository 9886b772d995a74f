"""docs/observability.md cannot go stale: its commands are the program's, and its columns are what the program prints."""

import re

import click
import pytest

from isthmus.cli import main
from isthmus.cli.live import sums, top
from isthmus.cli.see import authz, edges, gateways, pods, routes, stat, traffic
from isthmus.cli.viz import flags, resources, table
from tests.unit.docs.page import tool

PAGE = tool.PAGE.read_text()
SHOWN = tool.shown(PAGE)


def parsed(words: list[str]) -> click.Context:
    """The command line as the program reads it; nothing is run."""
    command, rest = main.root, words
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"isthmus has no word {rest[0]!r}"
        command, rest = found, rest[1:]
    return command.make_context(words[0], list(rest))


def view_of(said: click.Context) -> flags.View:
    return flags.View(form=said.params["form"], every_namespace=said.params.get("every_namespace", False))


def stat_heads(said: click.Context) -> list[table.Column]:
    kind = resources.parse(said.params["words"])[0].kind
    return stat.columns(kind, [], view_of(said), prefix=False)


def top_heads(said: click.Context) -> list[table.Column]:
    screen = top.Screen(sums.Sums(), "count", sources=not said.params["hide_sources"], routes=said.params["routes"])
    return [table.text(head, head) for head in screen.header()]


HEADS = {
    "stat": stat_heads,
    "stat-inbound": lambda said: traffic.inbound_layout([], view_of(said))[0].columns,
    "stat-outbound": lambda said: traffic.outbound_layout([], view_of(said))[0].columns,
    "routes": lambda said: routes.columns(wide=view_of(said).wide and said.params["to"] is not None),
    "edges": lambda said: edges.layout([], wide=view_of(said).wide)[0].columns,
    "gateways": lambda said: gateways.layout([], wide=view_of(said).wide)[0].columns,
    "authz": lambda said: authz.layout([])[0].columns,
    "list": lambda said: pods.layout([])[0].columns,
    "top": top_heads,
}
TABLES = [one for one in SHOWN if one.headers]


@pytest.mark.parametrize("one", SHOWN, ids=[one.line for one in SHOWN])
def test_a_command_is_one_of_ours_with_flags_it_has_and_shows_what_it_prints(one):
    assert parsed(one.words).command is not None
    assert one.output.strip()


@pytest.mark.parametrize("one", TABLES, ids=[one.line for one in TABLES])
def test_columns_are_those_the_program_prints(one):
    said = parsed(one.words)
    first = ["SOURCE" if one.words[0] == "gateways" else "CLUSTER"] if "," in (said.params["context"] or "") else []
    assert one.headers == first + [column.head for column in HEADS[one.words[0]](said)]


def test_every_word_of_ours_has_a_table_on_the_page():
    assert {one.words[0] for one in TABLES} == set(HEADS)


def test_flags_in_the_table_are_flags_of_stat():
    known = {option for param in stat.stat.params for option in param.opts}
    named = re.findall(r"^\| `(-{1,2}[a-z-]+)", PAGE, re.MULTILINE)
    assert named and set(named) <= known


def test_prose_and_commands_stay_when_output_changes():
    made = tool.anew(PAGE, lambda one: "NAME   OTHER\na      b\n")
    assert tool.prose(made) == tool.prose(PAGE)
    assert [one.headers for one in tool.shown(made)] == [["NAME", "OTHER"]] * len(SHOWN)
