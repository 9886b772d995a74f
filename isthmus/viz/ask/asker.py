"""Sets of questions to one Prometheus, asked at once. In: PromQL by words. Out: rows or lines by the same words.

Whether recording rules are there is looked at every LOOK seconds. Never here: what is asked.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from isthmus.viz.ask import query, samples, window

LOOK = 15.0
MARK = "asked"
"""A label that no series of ours has."""


class Told(Protocol):
    """A Prometheus, as much of it as is asked here."""

    async def instant(self, query: str, /) -> samples.Vector: ...

    async def over(self, query: str, /, *, start: float, end: float, step: float) -> samples.Matrix: ...


def together(queries: Sequence[str]) -> str:
    """Many instant queries as one: the rows of each carry its number. A round trip costs more than most of them."""
    return " or ".join(f'label_replace({text}, "{MARK}", "{number}", "", "")' for number, text in enumerate(queries))


class Asker:
    """Questions in sets; the first failure is everyone's."""

    def __init__(self, asked: Told, now: Callable[[], float] = time.time) -> None:
        self._prometheus = asked
        self._now = now
        self._recorded = False
        self._looked = 0.0

    async def source(self, over: window.Window) -> query.Source:
        """Where numbers of a window come from.

        Raises:
            IsthmusError: as `prometheus.instant`.
        """
        if not self._recorded or self._now() - self._looked > LOOK:
            self._recorded = bool((await self._prometheus.instant(query.RECORDED)).rows)
            self._looked = self._now()
        return query.Source(over.seconds, self._recorded)

    async def rows(self, queries: Mapping[str, str]) -> dict[str, Sequence[samples.Row]]:
        """The answers to a set, which goes as one question. Raises IsthmusError as `prometheus.instant`."""
        found: dict[str, list[samples.Row]] = {word: [] for word in queries}
        words = list(queries)
        for row in (await self._prometheus.instant(together(list(queries.values())))).rows if queries else ():
            found[words[int(row.label(MARK))]].append(row)
        return dict(found)

    async def lines(self, queries: Mapping[str, str], span: window.Span) -> dict[str, Sequence[samples.Line]]:
        """The answers over time; points lie on multiples of the step, so that viewers who ask in a row ask the same."""
        end = self._now() // span.step * span.step
        ask = self._prometheus.over
        found = await asyncio.gather(
            *(ask(text, start=end - span.seconds, end=end, step=span.step) for text in queries.values())
        )
        return {word: one.lines for word, one in zip(queries, found, strict=True)}

    async def well(self) -> None:
        """Whether Prometheus answers. Raises IsthmusError where it does not."""
        await self._prometheus.instant("vector(1)")
