"""Taps of several clusters as one stream: what is cut is opened again, what is refused is told."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest

from isthmus.errors import Cut, IsthmusError, Unreachable
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap import client, several
from isthmus.tap.ask import resource
from isthmus.tap.tell import events, frames

WISH = client.Wish(resource.read("deploy/web", "shop", key="RESOURCE"))


class Cluster:
    """Answers each question for a stream with the next script: so many requests, then its end."""

    def __init__(self, *scripts: tuple[int, IsthmusError | None]) -> None:
        self.scripts = list(scripts)

    async def stream(self, *_: Any, **__: Any) -> AsyncGenerator[bytes]:
        requests, end = self.scripts.pop(0)
        for number in range(requests):
            made = api.TapEvent()
            made.http.request_init.id.stream = number
            yield frames.frame(made.SerializeToString())
        if end:
            raise end


async def heard(*scripts: tuple[int, IsthmusError | None], steady: float = 60) -> tuple[list[str], str]:
    speaker: Any = Cluster(*scripts)
    source = several.Source("east", speaker, WISH)
    kinds: list[str] = []
    try:
        async for _, event in several.follow([source], several.Patience((0.0, 0.0), steady)):
            kinds.append(event.kind)
    except IsthmusError as error:
        return kinds, error.sentence
    return kinds, "nobody said why"


CUT, AWAY = Cut("cut"), Unreachable("away")


@pytest.mark.parametrize(
    "scripts, kinds, ends",
    [
        ([(2, None)], [events.REQUEST] * 2, "the stream has ended"),
        ([(1, CUT), (1, None)], [events.REQUEST, events.NOTICE, events.REQUEST], "the stream has ended"),
        ([(0, CUT), (1, CUT), (0, CUT)], [events.NOTICE, events.REQUEST, events.NOTICE], "cut"),
        ([(0, AWAY)], [], "away"),
    ],
)
async def test_a_stream_that_is_cut_is_opened_again(scripts: Sequence[Any], kinds: list[str], ends: str) -> None:
    assert await heard(*scripts) == (kinds, ends)


async def test_a_stream_that_held_for_a_while_has_all_its_tries_again() -> None:
    kinds, ends = await heard(*[(1, CUT)] * 5, (1, None), steady=0)
    assert (kinds.count(events.REQUEST), ends) == (6, "the stream has ended")
