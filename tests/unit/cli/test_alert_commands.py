"""Commands that alerts name are words of ours, with flags that they take."""

import re

import click
import pytest

from isthmus.cli import main
from isthmus.install.prometheus import files

TEXT = re.sub(r"\{\{.*?\}\}", "x", files.rules()[files.ALERTS])
SAID = sorted(set(re.findall(r"\bisthmus ((?:[a-z-]+ )?(?:[a-z-]+|--?[a-z-]+)(?: --?[a-z-]+)*)", TEXT)))


@pytest.mark.parametrize("said", SAID)
def test_it_can_be_said(said: str) -> None:
    words, context = said.split(), click.Context(main.root)
    command: click.Command | None = main.root
    while words and not words[0].startswith("-") and isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
    if command is None:
        assert said.startswith("tap "), "the one word that is not there yet"
        return
    known = {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known


def test_there_are_some() -> None:
    assert {"check", "check --proxy", "multicluster gateways", "upgrade --apply", "stat -n"} <= set(SAID)
