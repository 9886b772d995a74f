"""What Prometheus said, as typed values. In: bytes of its HTTP API. Out: rows of labels and a number, or series of points.

A number that is none (NaN, an infinity) is dropped, as is what comes after LIMIT rows; both are counted in `lost`, so that a table can
say that it is not whole. Never here: questions (see `query`), the network (see `prometheus`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from isthmus.errors import IsthmusError

LIMIT = 100_000
"""Rows one answer may have. A proxy that invents label values fills its own answer, not this process."""
Labels = Mapping[str, str]


class _Vector(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Matrix(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct):
    resultType: str = ""  # noqa: N815 - the wire's name
    result: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct):
    status: str = ""
    error: str = ""
    data: _Data | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_VECTOR = msgspec.json.Decoder(list[_Vector])
_MATRIX = msgspec.json.Decoder(list[_Matrix])


@dataclass(frozen=True, slots=True)
class Row:
    """One sample of an instant."""

    labels: Labels
    value: float

    def label(self, name: str) -> str:
        """A label's value; empty where it has none."""
        return self.labels.get(name, "")


@dataclass(frozen=True, slots=True)
class Line:
    """One series over time: (seconds since 1970, value)."""

    labels: Labels
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Vector:
    """An instant's rows. `lost`: how many were no numbers or too many."""

    rows: tuple[Row, ...] = ()
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Matrix:
    """Series over time. `lost` as in a vector, counted in points."""

    lines: tuple[Line, ...] = ()
    lost: int = 0


def vector(body: bytes, limit: int = LIMIT) -> Vector:
    """The rows of an instant query.

    Raises:
        IsthmusError: Prometheus refused the question, or this is no answer of it.
    """
    rows, lost = list[Row](), 0
    try:
        found = _VECTOR.decode(_result(body, "vector"))
    except msgspec.MsgspecError as error:
        raise strange(error) from error
    for one in found:
        number = _number(one.value[1])
        if number is None or len(rows) >= limit:
            lost += 1
        else:
            rows.append(Row(one.metric, number))
    return Vector(tuple(rows), lost)


def matrix(body: bytes, limit: int = LIMIT) -> Matrix:
    """The series of a range query.

    Raises:
        IsthmusError: as for `vector`.
    """
    lines, lost, kept = list[Line](), 0, 0
    try:
        found = _MATRIX.decode(_result(body, "matrix"))
    except msgspec.MsgspecError as error:
        raise strange(error) from error
    for one in found:
        points = [(at, number) for at, text in one.values if (number := _number(text)) is not None]
        room = max(0, limit - kept)
        lost += len(one.values) - len(points[:room])
        kept += len(points[:room])
        if points[:room]:
            lines.append(Line(one.metric, tuple(points[:room])))
    return Matrix(tuple(lines), lost)


def refusal(body: bytes) -> str:
    """The sentence of an answer that is a refusal; empty where it has none."""
    try:
        return _ANSWER.decode(body).error
    except msgspec.MsgspecError:
        return ""


def strange(error: object) -> IsthmusError:
    """The refusal of an answer that is none."""
    return IsthmusError(
        f"what answers as Prometheus does not speak its API: {error}",
        hint="--set prometheusUrl= names Prometheus itself",
    )


def _result(body: bytes, kind: str) -> msgspec.Raw:
    answer = _ANSWER.decode(body)
    if answer.status != "success" or answer.data is None:
        raise IsthmusError(f"Prometheus refuses the question: {answer.error or 'it does not say why'}")
    if answer.data.resultType != kind:
        raise strange(f"a {answer.data.resultType or 'nothing'} instead of a {kind}")
    return answer.data.result


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
