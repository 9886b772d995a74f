"""`isthmus viz` has the extension's words and those that Linkerd's users type."""

import pytest

from isthmus.cli import main
from isthmus.cli.viz import group


@pytest.mark.parametrize("word", [*group.OWN, *(word for word in group.SEEING if word in main.COMMANDS)])
def test_each_word_is_there(word, capsys):
    assert main.main(["viz", word, "--help"]) == 0
    assert "Usage: isthmus viz" in capsys.readouterr().out


def test_all_are_listed(capsys):
    assert main.main(["viz", "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {word} " in shown for word in group.OWN)
