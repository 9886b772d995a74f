"""Cells and lines, as Linkerd's users know them."""

import pytest

from isthmus.cli.viz import table

ROW = {"name": "web", "success": 0.995, "rps": 1.54, "latency_ms_p50": 1, "latency_ms_p95": 20, "latency_ms_p99": None}


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        (table.text("NAME", "name"), "web"),
        (table.text("NAME", "nothing"), "-"),
        (table.share("SUCCESS", "success"), "99.50%"),
        (table.share("SUCCESS", "nothing"), "-"),
        (table.number("RPS", "rps", "{:.1f}rps"), "1.5rps"),
        (table.latencies()[1], "20ms"),
        (table.latencies()[2], "-"),
    ],
)
def test_cells(column, cell):
    assert column.show(ROW) == cell


@pytest.mark.parametrize(("millis", "cell"), [(0, "0ms"), (0.42, "0.4ms"), (0.97, "1.0ms"), (1, "1ms"), (12.5, "12ms")])
def test_answers_within_a_millisecond_are_told_apart(millis, cell):
    assert table.latencies()[0].show({"latency_ms_p50": millis}) == cell


@pytest.mark.parametrize(
    ("success", "colour"), [(1.0, ""), (0.9999, "yellow"), (0.95, "yellow"), (0.9, "red"), (None, "")]
)
def test_success_below_all_is_coloured(success, colour):
    assert table.share("SUCCESS", "success").tint({"success": success}) == colour


def test_words_stand_on_the_left_and_numbers_on_the_right():
    shown = table.Table((table.text("NAME", "name"), *table.golden()), [ROW, {"name": "longer-name"}])
    assert table.lines(shown) == [
        "NAME          SUCCESS      RPS   LATENCY_P50   LATENCY_P95   LATENCY_P99",
        "web            99.50%   1.5rps           1ms          20ms             -",
        "longer-name         -        -             -             -             -",
    ]
    assert table.lines(shown, headers=False)[0].startswith("web           ")


def test_colours_change_no_width():
    shown = table.Table((table.share("SUCCESS", "success"), table.text("NAME", "name")), [ROW])
    assert table.lines(shown, colour=True)[1] == "\x1b[33m 99.50%\x1b[0m   web"


@pytest.mark.parametrize(
    ("line", "width", "shown"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdef", 3, "abc"),
        ("\x1b[31mabc\x1b[0mdef", 4, "\x1b[31mabc\x1b[0md"),
        ("\x1b[31mabc\x1b[0mdef", 2, "\x1b[31mab\x1b[0m"),
    ],
)
def test_a_narrow_terminal_cuts_what_is_seen(line, width, shown):
    assert table.clip(line, width) == shown
