"""PromQL, made from what is asked. In: a family, matches, labels to keep, a window. Out: text of a query. Pure.

Where Prometheus has our recording rules (see `isthmus.install.prometheus`) and the window is theirs, their series are read: hundreds
instead of hundreds of thousands. Every value is quoted here and nowhere else, so that none can end its string.
Never here: asking.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

RECORDED_WINDOW = 60.0
Op = Literal["=", "!=", "=~", "!~"]
Level = Literal["", "pod", "workload", "edge", "route", "backend", "server"]


@dataclass(frozen=True, slots=True)
class Match:
    """One condition on a label."""

    label: str
    op: Op
    value: str

    def text(self) -> str:
        return f"{self.label}{self.op}{quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class Source:
    """Where from: how far back, and whether recorded series are there."""

    seconds: float
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """Series of one family, summed by labels. `level`: of the recording rules, "" for none; they dropped the labels of `only_raw`."""

    family: str
    matches: tuple[Match, ...]
    by: tuple[str, ...]
    level: Level = ""
    only_raw: tuple[Match, ...] = ()

    def of(self, family: str, *by: str) -> "Select":
        """The same of another family, with more labels kept."""
        return replace(self, family=family, by=(*self.by, *by))


def quoted(value: str) -> str:
    """A string of PromQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def equal(label: str, value: str) -> Match:
    return Match(label, "=", value)


def there(label: str) -> Match:
    """The label has a value."""
    return Match(label, "!=", "")


def among(label: str, values: Iterable[str]) -> Match:
    """The label has one of these values."""
    return Match(label, "=~", "|".join(sorted(re.escape(v).replace("\\-", "-") for v in values)) or "-")


def rate(select: Select, source: Source) -> str:
    """Per second over the window, by the labels kept."""
    if select.level and source.recorded and source.seconds == RECORDED_WINDOW:
        return _sum(select.by, f"{select.level}:{select.family}:rate1m{_braces(_recorded(select))}")
    return _sum(
        select.by, f"rate({select.family}{_braces((*select.matches, *select.only_raw))}[{source.seconds:.0f}s])"
    )


def gauge(select: Select, source: Source) -> str:
    """As it is now, by the labels kept."""
    if select.level and source.recorded:
        return _sum(select.by, f"{select.level}:{select.family}:sum{_braces(_recorded(select))}")
    return _sum(select.by, f"{select.family}{_braces((*select.matches, *select.only_raw))}")


RECORDED = "count(workload:request_total:rate1m)"
"""Has rows where recording rules are evaluated."""


def _recorded(select: Select) -> Iterable[Match]:
    """The conditions that recorded series can meet: edges are outbound and Servers inbound, without saying so."""
    said = select.level in ("edge", "server")
    return (match for match in select.matches if not (said and match.label == "direction"))


def _sum(by: Sequence[str], inner: str) -> str:
    return f"sum by ({', '.join(dict.fromkeys(by))}) ({inner})"


def _braces(matches: Iterable[Match]) -> str:
    return "{" + ",".join(match.text() for match in matches) + "}"
