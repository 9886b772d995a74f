"""kubectl's JSONPath. In: a template as `-o jsonpath=` takes it, JSON values. Out: text. Pure.

    text {.a.b} {.a['b.c']} {.a.b\\.c} {.list[0]} {.list[-1]} {.list[1:3]} {.list[*]} {.a['b','c']} {..name}
    {.list[?(@.name=="x")].value} {range .list[*]}{.name}{"\\n"}{end}

Several values are told with a space between them, objects and lists as JSON; what is not there, and null, is no text. A template without
braces is one expression, as kubectl takes it. Never here: which documents there are.
Limits: TEXT characters of a template, DEPTH ranges in each other; `..` looks LEVELS deep.
"""

import json
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

from isthmus.errors import BadValue

TEXT = 4096
DEPTH = 8
LEVELS = 64
EXAMPLE = "-o jsonpath='{.requestInitEvent.method} {.requestInitEvent.path}'"

Step = Callable[[Any], Iterable[Any]]
"""From one value to those that a step of a path leads to."""
_NAME = re.compile(r"(?:\\.|[^\s.\[\](){}'\"?*,=!<>|&\\@$])+")
_QUOTED = re.compile(r"'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"")
_SLICE = re.compile(r"(-?\d+)?\s*:\s*(-?\d+)?(?:\s*:\s*(-?\d+))?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WHOLE = re.compile(r"-?\d+")
_WORD = re.compile(r"range(?=[\s.$@\[])|end(?=\s*\})|true\b|false\b|null\b")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_SPACE = re.compile(r"\s*")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_CONSTANTS: dict[str, Any] = {"true": True, "false": False, "null": None}
_COMPARES: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Find:
    """A path: where its steps lead from the value at hand."""

    steps: tuple[Step, ...]

    def values(self, value: Any) -> list[Any]:
        found = [value]
        for step in self.steps:
            found = [after for before in found for after in step(before)]
        return found


@dataclass(frozen=True, slots=True)
class Each:
    """A body, said for each value of a path."""

    path: Find
    body: "tuple[Part, ...]"


Part = str | Find | Each


@dataclass(frozen=True, slots=True)
class Template:
    """What a `-o jsonpath=` says."""

    parts: tuple[Part, ...]

    def text(self, document: Any) -> str | None:
        """The template for one document; None where none of its paths finds anything."""
        said, found = _said(self.parts, document)
        return said if found else None


def read(text: str, *, key: str = "-o jsonpath") -> Template:
    """The template that `text` is.

    Raises:
        BadValue: it is none; the sentence says where it stops being one.
    """
    if len(text) > TEXT:
        raise BadValue(key, f"{text[:40]}...", EXAMPLE, why=f"more than {TEXT} characters")
    reader = _Reader(text if "{" in text else "{" + text + "}", text, key)
    parts = reader.parts(0)
    if all(isinstance(part, str) for part in parts):
        raise BadValue(key, text, EXAMPLE, why="it holds no path")
    return Template(parts)


def _said(parts: Iterable[Part], value: Any) -> tuple[str, bool]:
    """What parts say of a value, and whether a path found something."""
    texts: list[str] = []
    any_found = False
    for part in parts:
        match part:
            case str():
                texts.append(part)
            case Find():
                found = [one for one in part.values(value) if one is not None]
                any_found = any_found or bool(found)
                texts.append(" ".join(map(_shown, found)))
            case Each():
                for one in part.path.values(value):
                    text, found_there = _said(part.body, one)
                    any_found = any_found or found_there
                    texts.append(text)
    return "".join(texts), any_found


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


class _Reader:
    """Reads a template from left to right. `said` is what the person wrote: braces may have been put around it."""

    def __init__(self, text: str, said: str, key: str) -> None:
        self._text, self._said, self._key = text, said, key
        self._at = 0

    def parts(self, depth: int) -> tuple[Part, ...]:
        """Until the text ends, or the range they are in."""
        found: list[Part] = []
        while self._at < len(self._text):
            begin = self._text.find("{", self._at)
            begin = len(self._text) if begin < 0 else begin
            if begin > self._at:
                found.append(self._text[self._at : begin])
            if begin == len(self._text):
                self._at = begin
                break
            self._at = begin + 1
            part = self._braced(depth)
            if part is None:
                return tuple(found)
            found.append(part)
        if depth:
            raise self._wrong("a range has no {end}")
        return tuple(found)

    def _braced(self, depth: int) -> Part | None:
        """What stands between braces; None is the end of a range."""
        self._space()
        if (quoted := self._quoted()) is not None:
            part: Part = quoted
        elif word := self._take(_WORD):
            if word[0] == "range":
                return self._range(depth)
            if word[0] != "end":
                raise self._wrong("a path is wanted, as .path")
            if not depth:
                raise self._wrong("there is no {range} to end")
            self._close()
            return None
        else:
            part = self._path()
        self._close()
        return part

    def _range(self, depth: int) -> Each:
        if depth >= DEPTH:
            raise self._wrong(f"more than {DEPTH} ranges in each other")
        self._space()
        path = self._path()
        self._close()
        return Each(path, self.parts(depth + 1))

    def _close(self) -> None:
        self._space()
        self._want("}")

    def _path(self) -> Find:
        """`$` or `@`, steps; at least one of both."""
        begin = self._at
        if self._peek() in ("$", "@"):
            self._at += 1
        steps: list[Step] = []
        while self._peek() in (".", "["):
            steps.append(self._step())
        if begin == self._at:
            raise self._wrong("a path is wanted, as .path")
        return Find(tuple(steps))

    def _step(self) -> Step:
        if self._peek() == "[":
            self._at += 1
            step = self._bracketed()
            self._space()
            self._want("]")
            return step
        self._at += 1
        deep = self._peek() == "."
        self._at += deep
        if self._peek() == "[" and deep:
            return _after(_everywhere, self._step())
        if self._peek() == "*":
            self._at += 1
            step: Step = _children
        elif name := self._take(_NAME):
            step = _field(re.sub(r"\\(.)", r"\1", name[0]))
        elif deep or self._peek() == ".":
            raise self._wrong("a name is wanted after the dots")
        else:
            return _itself  # {.} is the whole, and `.[0]` is `[0]`
        return _after(_everywhere, step) if deep else step

    def _bracketed(self) -> Step:
        self._space()
        if self._peek() == "*":
            self._at += 1
            return _children
        if self._peek() == "?":
            self._at += 1
            return self._filter()
        steps = [self._choice()]
        self._space()
        while self._peek() == ",":
            self._at += 1
            steps.append(self._choice())
            self._space()
        return steps[0] if len(steps) == 1 else _union(steps)

    def _choice(self) -> Step:
        """One of a bracket: a quoted name, a slice, an index."""
        self._space()
        if (quoted := self._quoted()) is not None:
            return _field(quoted)
        if found := self._take(_SLICE):
            first, last, by = (int(part) if part else None for part in found.groups())
            if by == 0:
                raise self._wrong("a slice goes on by 1 or more")
            return _slice(first, last, by)
        if found := self._take(_WHOLE):
            return _index(int(found[0]))
        raise self._wrong("a number, a slice, a quoted name, * or ?(...) is wanted in brackets")

    def _filter(self) -> Step:
        self._want("(")
        left = self._operand()
        self._space()
        compares: Callable[[Any, Any], bool] | None = None
        right: Find | Callable[[Any], list[Any]] = _nothing
        if found := self._take(_OPERATOR):
            compares = _COMPARES[found[0]]
            right = self._operand()
        self._space()
        self._want(")")
        return _filtered(left, compares, right)

    def _operand(self) -> Callable[[Any], list[Any]]:
        self._space()
        if (quoted := self._quoted()) is not None:
            return _constant(quoted)
        if (word := self._take(_WORD)) and word[0] in _CONSTANTS:
            return _constant(_CONSTANTS[word[0]])
        if number := self._take(_NUMBER):
            return _constant(json.loads(number[0]))
        if self._peek() not in ("@", "$", "."):
            raise self._wrong('a path or a value is wanted, as ?(@.name=="x")')
        return self._path().values

    def _quoted(self) -> str | None:
        found = self._take(_QUOTED)
        if found is None:
            if self._peek() in ("'", '"'):
                raise self._wrong("a quote is not closed")
            return None
        inner = found[1] if found[1] is not None else found[2]
        return re.sub(r"\\(.)", lambda one: _ESCAPED.get(one[1], one[1]), inner)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _space(self) -> None:
        self._take(_SPACE)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _want(self, sign: str) -> None:
        if self._peek() != sign:
            raise self._wrong(f"{sign} is wanted")
        self._at += 1

    def _wrong(self, what: str) -> BadValue:
        before = self._at - (self._text != self._said)
        where = f"after {self._said[:before]!r}" if before > 0 else "at its beginning"
        return BadValue(self._key, self._said, EXAMPLE, why=f"{where}: {what}")


def _itself(value: Any) -> Iterable[Any]:
    return (value,)


def _nothing(_: Any) -> list[Any]:
    return []


def _constant(said: Any) -> Callable[[Any], list[Any]]:
    return lambda _: [said]


def _after(first: Step, second: Step) -> Step:
    return lambda value: [two for one in first(value) for two in second(one)]


def _union(steps: list[Step]) -> Step:
    return lambda value: [one for step in steps for one in step(value)]


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value).values())
    return cast("list[Any]", value) if isinstance(value, list) else ()


def _everywhere(value: Any, levels: int = LEVELS) -> Iterable[Any]:
    """A value and all that is in it."""
    yield value
    for one in _children(value) if levels else ():
        yield from _everywhere(one, levels - 1)


def _field(name: str) -> Step:
    def step(value: Any) -> Iterable[Any]:
        return (cast("dict[str, Any]", value)[name],) if isinstance(value, dict) and name in value else ()

    return step


def _index(number: int) -> Step:
    def step(value: Any) -> Iterable[Any]:
        rows = cast("list[Any]", value) if isinstance(value, list) else []
        return (rows[number],) if -len(rows) <= number < len(rows) else ()

    return step


def _slice(first: int | None, last: int | None, by: int | None) -> Step:
    return lambda value: cast("list[Any]", value)[first:last:by] if isinstance(value, list) else ()


def _filtered(
    left: Callable[[Any], list[Any]],
    compares: Callable[[Any, Any], bool] | None,
    right: Callable[[Any], list[Any]],
) -> Step:
    """Children for which the comparison holds; without one, those that have `left`."""

    def holds(one: Any) -> bool:
        ours, theirs = left(one), right(one)
        if compares is None:
            return bool(ours)
        return len(ours) == len(theirs) == 1 and _compared(compares, ours[0], theirs[0])

    return lambda value: [one for one in _children(value) if holds(one)]


def _compared(compares: Callable[[Any, Any], bool], one: Any, two: Any) -> bool:
    """Values of unlike kinds are unequal, and none is the larger; true is not 1."""
    if isinstance(one, bool) is not isinstance(two, bool):
        return compares is operator.ne
    try:
        return compares(one, two)
    except TypeError:
        return False
