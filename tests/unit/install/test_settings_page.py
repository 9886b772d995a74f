"""docs/settings.md says what the tables say, and nothing else."""

import pathlib
import re

import pytest

from isthmus import knobs
from isthmus.install import values

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "settings.md").read_text()
ROWS = re.findall(r"^\| `([^`]+)` \| (?:`([^`]*)`|–) \| (.+) \|$", PAGE, re.MULTILINE)


def test_every_setting_is_listed_once_in_order():
    assert [key for key, _, _ in ROWS] == [*values.FIELDS, *knobs.FIELDS]


@pytest.mark.parametrize(("key", "default", "says"), ROWS, ids=[row[0] for row in ROWS])
def test_default_and_sentence(key, default, says):
    row = values.FIELDS.get(key) or knobs.FIELDS[key]
    assert default == (values._print(row.default) if key in values.FIELDS else row.metadata["default"])
    assert says.startswith(row.metadata["says"])
