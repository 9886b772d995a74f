"""The hidden group: each role is a room with Options and main."""

import importlib

import click.testing
import pytest

from isthmus.cli import control


@pytest.mark.parametrize("role", control.ROLES)
def test_each_role_can_be_started(role: str) -> None:
    room = importlib.import_module(control.ROLES[role][0])
    assert room.Options.from_args([]).log_level == "info"
    assert callable(room.main)


def test_flags_belong_to_the_role() -> None:
    told = click.testing.CliRunner().invoke(control.control, ["identity", "--nonsense"])
    assert (told.exit_code, "--nonsense" in told.output) == (2, True)


def test_unknown_roles() -> None:
    assert click.testing.CliRunner().invoke(control.control, ["king"]).exit_code == 2
