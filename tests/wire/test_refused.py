"""Streams that a peer refused unread, over real sockets: sent elsewhere without a rule, twice at most, with up to 4 KiB of body."""

from collections.abc import Callable, Iterator

import hpack
import pytest

from tests.wire import conftest, pods, policies, raw, refuser, world

pytestmark = pytest.mark.wire

OUTSIDE = "10.9.0.254"
KEY = f"{world.WEB}:80"
Start = Callable[[str], refuser.Refuser]


@pytest.fixture
def start(stage: conftest.Stage) -> Iterator[Start]:
    """Starts a server of that kind."""
    started: list[refuser.Refuser] = []

    def one(how: str) -> refuser.Refuser:
        started.append(refuser.Refuser(OUTSIDE, how))
        return started[-1]

    yield one
    for each in started:
        each.close()


def serve_by(stage: conftest.Stage, state: world.State, *servers: refuser.Refuser) -> None:
    """`web` has these endpoints, and the client's proxy knows."""
    state.edit("outbound", KEY, policies.http(policies.rule()))
    state.edit("endpoints", world.path("web"), [{"addr": one.address, "hint": ""} for one in servers])
    reached = lambda: bool(ask(stage, 0)) and any(one.requests for one in servers)  # noqa: E731
    pods.wait_for(reached, 8, "the endpoints")


def ask(stage: conftest.Stage, body: int, count: int = 1) -> list[str]:
    """So many requests of an application that speaks HTTP/2, one after the other on one connection; the statuses."""
    decoder, said = hpack.Decoder(), []
    with raw.connect(world.WEB, 80, stage.client.space) as sock:
        sent = raw.greeting()
        for stream in range(1, 2 * count, 2):
            flags = raw.END_HEADERS | (0 if body else raw.END_STREAM)
            head = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"web")]
            sent += raw.headers(stream, head, flags)
            for at in range(0, body, 16_384):
                size = min(16_384, body - at)
                sent += raw.frame(raw.DATA, raw.END_STREAM if at + size == body else 0, stream, b"x" * size)
            raw.send(sock, sent)
            said.append(status(sock, stream, decoder))
            sent = b""
    return said


def status(sock: raw.socket.socket, stream: int, decoder: hpack.Decoder) -> str:
    data = b""
    for _ in range(200):
        data += raw.read(sock, 0.05).data
        for kind, _, of, payload in raw.frames(data):
            if kind == raw.HEADERS and of == stream:
                return {str(name): str(value) for name, value in decoder.decode(payload)}[":status"]
    return ""


@pytest.mark.parametrize("how", ["refuse", "leave"])
@pytest.mark.parametrize("body", [0, 4_000])
def test_what_a_peer_refused_unread_is_sent_elsewhere(
    stage: conftest.Stage, state: world.State, start: Start, how: str, body: int
) -> None:
    bad, good = start(how), start("serve")
    serve_by(stage, state, bad, good)
    before = bad.requests
    # By chance: one in a thousand rounds would ask the good one alone.
    assert ask(stage, body, 20) == ["200"] * 20
    assert bad.requests > before
    assert set(good.bodies[-20:]) == {body}


@pytest.mark.parametrize("body, tries, answer", [(4_000, 3, "503"), (5_000, 1, "503"), (50_000, 1, "503")])
def test_nobody_is_asked_more_than_thrice_and_a_large_body_once(
    stage: conftest.Stage, state: world.State, start: Start, body: int, tries: int, answer: str
) -> None:
    bad = start("refuse")
    serve_by(stage, state, bad)
    before = bad.requests
    assert ask(stage, body) == [answer]
    assert bad.requests - before == tries
