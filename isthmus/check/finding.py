"""One check and what it found. Values only. Never here: any check (see `core`, `multicluster`)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from isthmus.check import facts

Verdict = Literal["ok", "warn", "fail"]
SHOWN = 5
"""Lines a finding shows; the rest are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A verdict and the lines that say why."""

    verdict: Verdict = "ok"
    lines: tuple[str, ...] = ()


OK = Finding()


def fail(*lines: str) -> Finding:
    """Something does not work."""
    return Finding("fail", _cut(lines))


def warn(*lines: str) -> Finding:
    """Something works and soon may not, or cannot be told from here."""
    return Finding("warn", _cut(lines))


def each(problems: Iterable[str], verdict: Callable[..., Finding] = fail) -> Finding:
    """The finding of a list of problems: none is well."""
    listed = list(problems)
    return verdict(*listed) if listed else OK


def _cut(lines: tuple[str, ...]) -> tuple[str, ...]:
    return lines if len(lines) <= SHOWN else (*lines[:SHOWN], f"and {len(lines) - SHOWN} more")


Judge = Callable[[facts.Facts], Finding | None]
"""None: the check does not apply to this cluster."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table. `id` is its anchor in docs/checks.md; after a `fatal` failure nothing else can be told."""

    id: str
    category: str
    says: str
    hint: str
    judge: Judge
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """A check that was made."""

    check: Check
    finding: Finding
