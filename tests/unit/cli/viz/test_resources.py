"""Words for resources, as people type them."""

import click
import pytest

from isthmus.cli.viz import resources
from isthmus.cli.viz.resources import Resource
from isthmus.errors import BadValue


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("deploy", [Resource("deployment")]),
        ("deployments", [Resource("deployment")]),
        ("deploy/web", [Resource("deployment", "web")]),
        ("deploy web api", [Resource("deployment", "web"), Resource("deployment", "api")]),
        ("deploy/web po/x", [Resource("deployment", "web"), Resource("pod", "x")]),
        ("deploy/ po/", [Resource("deployment"), Resource("pod")]),
        ("deploy,sts", [Resource("deployment"), Resource("statefulset")]),
        ("deploy/a deploy/a", [Resource("deployment", "a")]),
        ("all", [Resource("all")]),
        ("ns", [Resource("namespace")]),
        ("srv/web", [Resource("server", "web")]),
    ],
)
def test_words(line, found):
    assert resources.parse(line.split()) == found


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "nothing to look at"),
        ("deploi", "write for example deploy"),
        ("deploy/a po", "KIND/NAME"),
        ("deploy a po/b", "mixed"),
        ("all po/x", "KIND/NAME"),
        ("all web", "stands alone"),
        ("all/ po/", "stands alone"),
    ],
)
def test_refusals_say_what_to_write(line, says):
    with pytest.raises(BadValue) as refused:
        resources.parse(line.split())
    assert says in str(refused.value)


def test_short_words_read_back():
    assert all(resources.kind_of(resources.short(kind)) == kind for kind in resources.WORDS)


@pytest.mark.parametrize(
    ("begun", "words"),
    [("dep", ["deploy", "deployment", "deployments"]), ("st", ["statefulset", "statefulsets", "sts"]), ("x", [])],
)
def test_the_shell_completes_words(begun, words):
    word = click.Argument(["word"])
    found = resources.Word().shell_complete(click.Context(click.Command("stat")), word, begun)
    assert [item.value for item in found] == words
