"""One event is one line, as text or as JSON."""

import json

import pytest

from isthmus.errors import BadValue
from isthmus.serve import logs


def test_json_lines_carry_fields(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "json", "identity").info("issuer renewed", days=3)
    line = json.loads(capsys.readouterr().err)
    assert {k: line[k] for k in ("event", "role", "days", "level")} == {
        "event": "issuer renewed",
        "role": "identity",
        "days": 3,
        "level": "info",
    }


@pytest.mark.parametrize("level, lines", [("debug", 3), ("info", 2), ("error", 1)])
def test_levels(level: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.setup(level, "plain", "test")
    log.debug("a")
    log.info("b")
    log.error("c")
    assert len(capsys.readouterr().err.splitlines()) == lines


@pytest.mark.parametrize("level, form", [("loud", "plain"), ("info", "xml")])
def test_refused(level: str, form: str) -> None:
    with pytest.raises(BadValue):
        logs.setup(level, form, "test")
