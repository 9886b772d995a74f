"""One picture of all clusters: rows, the cluster's column, JSON, sentences; and a terminal's size."""

import json

import pytest

from isthmus.cli.viz import flags, several, show, table
from isthmus.errors import BadValue, Unreachable
from tests.unit.cli.viz import doubles


def layout(rows):
    return [table.Table((table.text("NAME", "name"),), rows)]


def answer(name: str, *names: str, notes: tuple[str, ...] = ()) -> several.Answer[show.Found]:
    return several.Answer(doubles.cluster(name), show.Found([{"name": one} for one in names], notes))


AWAY = several.Answer(doubles.cluster("west"), error=Unreachable("away"))


@pytest.mark.parametrize(
    ("answers", "head", "lines", "notes"),
    [
        ([answer("east", "a", "b")], "", ["NAME", "a", "b"], ()),
        ([answer("east", "a"), answer("west", "b")], "CLUSTER", ["CLUSTER   NAME", "east      a", "west      b"], ()),
        ([answer("east", "a"), AWAY], "CLUSTER", ["CLUSTER   NAME", "east      a"], ("west: away",)),
        ([answer("east", notes=("why",))], "", [], ("why",)),
        ([answer("east", notes=("why",)), AWAY], "CLUSTER", [], ("west: away", "east: why")),
    ],
)
def test_tables(answers, head, lines, notes):
    shown = show.picture(answers, layout, every=False, head=head)
    assert show.text(flags.View(), shown, colour=False) == lines
    assert tuple(shown.notes) == notes


def test_json_always_says_the_cluster():
    shown = show.picture([answer("east", "a")], layout, every=False, head="")
    assert json.loads("\n".join(show.text(flags.View(form="json"), shown, colour=False))) == [
        {"cluster": "east", "name": "a"}
    ]


def test_no_headers_leaves_rows_alone():
    shown = show.picture([answer("east", "a", "b")], layout, every=False, head="CLUSTER")
    assert show.text(flags.View(headers=False), shown, colour=False) == ["east   a", "east   b"]


@pytest.mark.parametrize(
    ("rows", "seen"), [(4, ["a", "b", "cc"]), (3, ["a", "b", "cc"]), (2, ["a", "..."]), (1, ["..."])]
)
def test_a_small_terminal_shows_what_fits(rows, seen):
    assert [line[:3] for line in show.fit(["a", "b", "cc"], 20, rows)] == seen


@pytest.mark.parametrize(("said", "window"), [("15s", "15s"), ("1m", "1m"), (" 10m ", "10m")])
def test_windows(said, window):
    assert flags.checked(said) == window


@pytest.mark.parametrize("said", ["14s", "0", "soon", "-1m"])
def test_windows_that_are_refused(said):
    with pytest.raises(BadValue, match="--time-window"):
        flags.checked(said)
