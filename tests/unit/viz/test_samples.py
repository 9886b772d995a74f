"""Answers of Prometheus: numbers, what is none, and what is too much."""

import json

import pytest

from isthmus.errors import IsthmusError
from isthmus.viz.ask import samples


def body(result, kind="vector", **more) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def one(value, **labels) -> dict:
    return {"metric": labels, "value": [1.5, value]}


def test_rows_and_what_is_no_number():
    found = samples.vector(body([one("2.5", pod="a"), one("NaN"), one("+Inf"), one("-Inf"), one("x")]))
    assert [(r.label("pod"), r.value) for r in found.rows] == [("a", 2.5)]
    assert found.lost == 4


def test_huge_answers_are_cut_and_counted():
    five = samples.vector(body([one("1")] * 5), limit=3)
    assert (len(five.rows), five.lost) == (3, 2)
    lines = [{"metric": {}, "values": [[1, "1"], [2, "NaN"], [3, "3"]]}] * 3
    found = samples.matrix(body(lines, "matrix"), limit=3)
    assert (sum(len(line.points) for line in found.lines), found.lost) == (3, 6)


@pytest.mark.parametrize(
    "data, says",
    [
        (b"<html>", "does not speak its API"),
        (b'{"status": "error", "error": "parse error at char 3"}', "parse error at char 3"),
        (b'{"status": "success"}', "does not say why"),
        (body([], "matrix"), "a matrix instead of a vector"),
        (body([{"metric": 5}]), "does not speak its API"),
        (b"[]", "does not speak its API"),
    ],
)
def test_what_is_no_answer_is_a_sentence(data, says):
    with pytest.raises(IsthmusError, match=says):
        samples.vector(data)


def test_a_refusal_in_an_error_page():
    assert samples.refusal(b'{"status":"error","error":"too slow"}') == "too slow"
    assert samples.refusal(b"<html>") == ""
