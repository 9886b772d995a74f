"""Questions to Prometheus: shared, bounded, and refused in a sentence when it is away, slow or something else."""

import asyncio
import json

import httpx2
import pytest

from isthmus.errors import IsthmusError, Unreachable
from isthmus.viz.ask import prometheus

FINE = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}}


class Server(httpx2.AsyncBaseTransport):
    """Answers by a function of the number of the call."""

    def __init__(self, answer) -> None:
        self.answer, self.calls, self.at_once, self.most = answer, 0, 0, 0

    async def handle_async_request(self, request):
        self.calls += 1
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0.01)
            return await self.answer(self.calls)
        finally:
            self.at_once -= 1


def answering(status=200, body=FINE):
    async def answer(_):
        return httpx2.Response(status, content=body if isinstance(body, bytes) else json.dumps(body).encode())

    return answer


def made(answer, seconds=2.0, clock=lambda: 0.0) -> tuple[prometheus.Prometheus, Server]:
    server = Server(answer)
    return prometheus.Prometheus("http://prometheus", seconds=seconds, transport=server, clock=clock), server


async def test_equal_questions_are_asked_once_while_fresh():
    now = [0.0]
    asked, server = made(answering(), clock=lambda: now[0])
    await asyncio.gather(*(asked.instant("up") for _ in range(50)))
    await asked.instant("up")
    assert server.calls == 1
    now[0] += prometheus.FRESH
    await asked.instant("up")
    assert server.calls == 2


async def test_stale_answers_are_let_go_by_the_next_question():
    now = [0.0]
    asked, _ = made(answering(), clock=lambda: now[0])
    await asyncio.gather(*(asked.instant(f"up{n}") for n in range(60)))
    assert asked.kept == 60
    now[0] += prometheus.FRESH
    await asked.instant("up")
    assert asked.kept == 1


async def test_only_so_many_at_once():
    asked, server = made(answering())
    await asyncio.gather(*(asked.instant(f"up{n}") for n in range(60)))
    assert server.most == prometheus.AT_ONCE


async def test_a_viewer_who_leaves_does_not_take_the_answer_from_others():
    asked, server = made(answering())
    first = asyncio.get_running_loop().create_task(asked.instant("up"))
    await asyncio.sleep(0)
    second = asyncio.get_running_loop().create_task(asked.instant("up"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).rows[0].value == 2
    assert server.calls == 2


async def test_a_failure_is_told_to_all_who_wait_and_not_kept():
    asked, server = made(answering(400, {"status": "error", "error": "too many samples"}))
    found = await asyncio.gather(*(asked.instant("up") for _ in range(5)), return_exceptions=True)
    assert all("too many samples" in str(one) for one in found) and server.calls == 1
    with pytest.raises(IsthmusError):
        await asked.instant("up")
    assert server.calls == 2


async def test_what_is_on_the_way_is_tried_again():
    async def second_time(call):
        return httpx2.Response(504) if call < 2 else httpx2.Response(200, content=json.dumps(FINE).encode())

    asked, server = made(second_time)
    assert (await asked.instant("up")).rows and server.calls == 2


async def hang(_):
    await asyncio.sleep(60)
    return httpx2.Response(200)


async def away(_):
    raise httpx2.ConnectError("connection refused")


@pytest.mark.parametrize(
    "answer, says",
    [
        (hang, "did not answer in 0 s"),
        (away, "does not answer: connection refused"),
        (answering(200, b"<html>a login page</html>"), "does not speak its API"),
        (answering(404, b"not here"), "answers with HTTP 404"),
        (answering(502, b"no upstream"), "answers with HTTP 502"),
    ],
    ids=["slow", "away", "another-program", "not-found", "no-upstream"],
)
async def test_refused_in_a_sentence_and_in_time(answer, says):
    asked, _ = made(answer, seconds=0.45)
    async with asyncio.timeout(2):
        with pytest.raises(IsthmusError, match=says) as refused:
            await asked.instant("up")
    assert refused.value.hint


async def test_an_answer_without_end_is_cut():
    asked = prometheus.Prometheus("http://prometheus", most=1000, transport=Server(answering(200, b"x" * 5000)))
    with pytest.raises(IsthmusError, match="larger than"):
        await asked.instant("up")


async def test_prometheus_away_is_another_kind_of_error():
    asked, _ = made(away)
    with pytest.raises(Unreachable):
        await asked.instant("up")
