"""Who may ask at all: hosts, origins, bodies, times."""

import asyncio
import re

import pytest

from isthmus.dashboard import guard
from tests.unit.dashboard import doubles

HOSTS = re.compile(guard.LOCAL)
JSON = {"content-type": "application/json"}
OWN = {"origin": "http://localhost:8084"}


@pytest.mark.parametrize(
    "method, path, headers",
    [
        ("GET", "/", {}),
        ("GET", "/api/session", {}),
        ("GET", "/api/live/overview", {"sec-fetch-site": "same-origin"}),
        ("GET", "/api/view/links", {"sec-fetch-site": "none"}),
        ("GET", "/", {"sec-fetch-site": "cross-site"}),  # a link to the page from elsewhere
        ("POST", "/api/split", {**OWN, **JSON}),
        ("POST", "/api/split", {"sec-fetch-site": "same-origin", "content-type": "application/json; charset=utf-8"}),
    ],
)
def test_our_own_page_passes(method, path, headers):
    guard.judge(method, path, {"host": "localhost:8084", **headers}, HOSTS)


@pytest.mark.parametrize(
    "method, path, headers, status, says",
    [
        ("GET", "/", {"host": "evil.example"}, 421, "Host 'evil.example' is not a name"),
        ("GET", "/", {"host": "localhost.evil.example"}, 421, "is not a name"),
        ("GET", "/", {"host": "localhost:8084\n"}, 421, "is not a name"),
        ("GET", "/", {"host": ""}, 421, "is not a name"),
        ("GET", "/api/live/overview", {"origin": "http://evil.example"}, 403, "Origin 'http://evil.example'"),
        ("GET", "/api/view/overview", {"sec-fetch-site": "cross-site"}, 403, "another page"),
        ("GET", "/api/view/overview", {"sec-fetch-site": "same-site"}, 403, "another page"),
        ("GET", "/api/view/overview", {"origin": "null"}, 403, "Origin 'null'"),
        ("POST", "/api/split", JSON, 403, "must say where it comes from"),
        ("POST", "/api/split", {**JSON, "origin": "http://localhost:9"}, 403, "Origin"),
        ("POST", "/api/split", OWN, 415, "content-type '' is not taken"),
        ("POST", "/api/split", {**OWN, "content-type": "text/plain"}, 415, "text/plain"),
        ("POST", "/api/split", {**OWN, **JSON, "content-length": "65537"}, 413, "65537 bytes"),
        ("POST", "/api/split", {**OWN, **JSON, "content-length": "x"}, 413, "x bytes"),
        ("DELETE", "/api/split", {**OWN, **JSON}, 405, "DELETE is not a way"),
    ],
)
def test_others_are_refused_with_a_sentence(method, path, headers, status, says):
    with pytest.raises(guard.Refused) as refused:
        guard.judge(method, path, {"host": "localhost:8084", **headers}, HOSTS)
    assert refused.value.status == status
    assert says in refused.value.refusal.sentence


async def test_a_body_without_a_length_is_counted():
    async def receive():
        return {"type": "http.request", "body": b"x" * 40_000, "more_body": True}

    with pytest.raises(guard.Refused, match="more than 65536 bytes"):
        await guard.body(receive)


async def test_an_early_end_is_no_body():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(guard.Refused, match="ended early"):
        await guard.body(receive)


async def test_refusals_carry_the_headers_and_are_counted():
    seen: list[int] = []

    async def app(scope, receive, send):
        raise guard.Refused(418, "no", "tea")

    answer = await doubles.ask(guard.Guard(app, HOSTS, seen.append), "GET", "/api/session")
    assert (answer.status, answer.json, seen) == (418, {"sentence": "no", "hint": "tea"}, [418])
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "DENY" and answer.headers["x-content-type-options"] == "nosniff"


async def test_a_slow_answer_is_ended():
    async def app(scope, receive, send):
        await asyncio.sleep(60)

    answer = await doubles.ask(guard.Guard(app, HOSTS, answer_time=0.05), "GET", "/api/session")
    assert answer.status == 504
