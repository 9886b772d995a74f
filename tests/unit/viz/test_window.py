"""How far back: what is taken, and how the rest is refused."""

import pytest

from isthmus.serve.refusal import Refused
from isthmus.viz.ask import window


@pytest.mark.parametrize(
    "text, seconds", [("", 60), ("15s", 15), ("1m", 60), ("10m", 600), ("1h", 3600), ("2d", 172800)]
)
def test_taken(text, seconds):
    assert window.read(text).seconds == seconds


@pytest.mark.parametrize("text", ["14s", "8d", "soon", "-1m", "5", "1m;drop", "0s", "999999999h"])
def test_refused_with_key_value_and_example(text):
    with pytest.raises(Refused) as refused:
        window.read(text)
    assert "time_window" in refused.value.sentence and text in refused.value.sentence and "1m" in refused.value.sentence


@pytest.mark.parametrize("length, step, apart", [("", "", 15), ("10m", "1s", 2.5), ("1h", "15s", 15), ("1h", "1m", 60)])
def test_a_step_makes_at_most_so_many_points(length, step, apart):
    found = window.span(length, step)
    assert found.step == apart and found.seconds / found.step <= window.POINTS


@pytest.mark.parametrize("length, step", [("10m", "0s"), ("10m", "11m"), ("10m", "x"), ("5s", "1s")])
def test_spans_that_are_none(length, step):
    with pytest.raises(Refused):
        window.span(length, step)
