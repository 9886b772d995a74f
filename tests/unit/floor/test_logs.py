"""One event is one line, as text or as JSON."""

import json
import logging

import pytest

from isthmus import logs
from isthmus.errors import BadValue


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


@pytest.mark.parametrize("form, lines", [("plain", 3), ("json", 1)])
def test_a_trace_follows_its_event(form: str, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", form, "test").error("a task failed", exc_info=ValueError("17"))
    said = capsys.readouterr().err.splitlines()
    assert len(said) <= lines
    assert "ValueError: 17" in said[-1]


def test_what_strangers_say_makes_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("info", "plain", "test").bind(kind="Pod").warning("no\nroad", why="gone\n2026 [info] paid", empty="")
    said = capsys.readouterr().err.splitlines()
    assert [line.split(" ", 1)[1] for line in said] == [
        r"[warning] no road role=test kind=Pod why='gone\n2026 [info] paid' empty=''"
    ]


@pytest.mark.parametrize("form", ["plain", "json"])
def test_libraries_are_heard_from_warnings_on(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("debug", form, "test")
    logging.getLogger("uvicorn").info("a")
    logging.getLogger("uvicorn").warning("%d%%", 5)
    (said,) = capsys.readouterr().err.splitlines()
    assert "5%" in said
    assert "uvicorn" in said
