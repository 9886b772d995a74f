"""Sets of questions: asked as one, told apart by a label."""

from isthmus.viz.ask import asker, query, samples, window
from tests.unit.viz.rows import row


class Prometheus:
    """Answers what it is told, and remembers what it was asked."""

    def __init__(self, *rows: samples.Row) -> None:
        self.rows, self.asked = rows, []

    async def instant(self, text: str) -> samples.Vector:
        self.asked.append(text)
        return samples.Vector(self.rows)

    async def over(self, text: str, *, start: float, end: float, step: float) -> samples.Matrix:
        return samples.Matrix()


async def test_a_set_is_one_question():
    told = Prometheus(row(1, asked=0, pod="a"), row(2, asked=1), row(3, asked=0, pod="b"))
    found = await asker.Asker(told).rows({"first": "up", "second": "down"})
    assert {word: [one.value for one in rows] for word, rows in found.items()} == {"first": [1, 3], "second": [2]}
    assert told.asked == ['label_replace(up, "asked", "0", "", "") or label_replace(down, "asked", "1", "", "")']


async def test_recording_rules_are_looked_for_again_while_they_are_not_there():
    now = [0.0]
    told = Prometheus()
    asked = asker.Asker(told, lambda: now[0])
    assert not (await asked.source(window.read("1m"))).recorded
    told.rows = (row(1),)
    assert await asked.source(window.read("1m")) == query.Source(60, recorded=True)
    now[0] += asker.LOOK - 1
    await asked.source(window.read("1m"))
    assert len(told.asked) == 2
