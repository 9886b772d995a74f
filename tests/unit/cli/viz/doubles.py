"""A cluster that answers from a table: method -> a protobuf answer, or the refusal it raises."""

import asyncio
from collections.abc import Mapping
from typing import Any

from isthmus.cli.viz import several


class Metrics:
    """Answers by the method's name; keeps what it was asked. `late` seconds pass before an answer."""

    def __init__(self, answers: Mapping[str, Any], late: float = 0.0) -> None:
        self.answers = answers
        self.asked: list[Any] = []
        self.late = late

    async def ask(self, service: str, method: str, question: Any, answer: Any) -> Any:
        self.asked.append(question)
        await asyncio.sleep(self.late)
        found = self.answers[method]
        if isinstance(found, Exception):
            raise found
        return found


def cluster(name: str, late: float = 0.0, client: Any = None, **answers: Any) -> several.Cluster:
    return several.Cluster(name, name, "demo", Metrics(answers, late), client)
