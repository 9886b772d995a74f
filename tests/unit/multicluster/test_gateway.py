"""Verdicts edge by edge, addresses answer by answer, and probes against real sockets on loopback."""

import asyncio

import pytest

from isthmus.multicluster import gateway
from isthmus.multicluster.gateway import Board, Health, Outcome, Verdict

OK, BAD, UNSURE = Outcome.SUCCESS, Outcome.FAILURE, Outcome.UNSURE


@pytest.mark.parametrize(
    "outcomes, health, failures",
    [
        pytest.param([], Health.UNKNOWN, 0, id="never-asked"),
        pytest.param([OK], Health.ALIVE, 0, id="first-success"),
        pytest.param([BAD], Health.UNKNOWN, 1, id="one-failure-proves-nothing"),
        pytest.param([BAD, BAD], Health.UNKNOWN, 2, id="two-of-three"),
        pytest.param([BAD, BAD, BAD], Health.DEAD, 3, id="dead-from-the-start"),
        pytest.param([BAD, BAD, OK, BAD, BAD], Health.ALIVE, 2, id="not-in-a-row"),
        pytest.param([OK, BAD, BAD], Health.ALIVE, 2, id="alive-holds"),
        pytest.param([OK, BAD, BAD, BAD], Health.DEAD, 3, id="alive-dies"),
        pytest.param([OK, BAD, BAD, BAD, BAD], Health.DEAD, 4, id="stays-dead"),
        pytest.param([BAD, BAD, BAD, OK], Health.ALIVE, 0, id="one-success-restores"),
        pytest.param([OK, UNSURE, UNSURE, UNSURE], Health.ALIVE, 0, id="own-side-proves-nothing"),
        pytest.param([BAD, UNSURE, BAD, UNSURE, BAD], Health.DEAD, 3, id="own-side-does-not-restore"),
        pytest.param([BAD, BAD, BAD, UNSURE], Health.DEAD, 3, id="dead-and-own-side"),
    ],
)
def test_verdict(outcomes, health, failures):
    verdict = Verdict()
    for second, outcome in enumerate(outcomes):
        verdict = gateway.judge(verdict, outcome, 3, float(second))
    assert (verdict.health, verdict.failures, verdict.probes) == (health, failures, len(outcomes))


def test_since_moves_only_with_the_health():
    verdict = gateway.judge(Verdict(), OK, 3, 5.0)
    assert gateway.judge(verdict, OK, 3, 9.0).since == 5.0


@pytest.mark.parametrize(
    "ip, words",
    [
        pytest.param("192.0.2.7", None, id="plain"),
        pytest.param("10.99.0.2", None, id="private-is-fine"),
        pytest.param("2001:db8::7", None, id="v6"),
        pytest.param("127.0.0.1", "loopback", id="loopback"),
        pytest.param("::1", "loopback", id="loopback-v6"),
        pytest.param("::ffff:127.0.0.1", "loopback", id="loopback-mapped"),
        pytest.param("169.254.169.254", "link-local", id="metadata"),
        pytest.param("fe80::1", "link-local", id="link-local-v6"),
        pytest.param("0.0.0.0", "unspecified", id="unspecified"),
        pytest.param("::", "unspecified", id="unspecified-v6"),
        pytest.param("224.0.0.1", "multicast", id="multicast"),
        pytest.param("255.255.255.255", "broadcast", id="broadcast"),
        pytest.param("fd00:ec2::254", "metadata", id="metadata-v6"),
        pytest.param("10.96.0.1", "own API server", id="own-api-server"),
        pytest.param("gw.west", "not an IP", id="name"),
    ],
)
def test_refused_addresses(ip, words):
    why = gateway.refusal(ip, frozenset({"10.96.0.1"}))
    assert why is None if words is None else why and words in why


@pytest.mark.parametrize(
    "answers, expected",
    [
        pytest.param([{"gw": ()}], [], id="never-answered"),
        pytest.param([{"gw": ("192.0.2.7",)}], ["192.0.2.7"], id="one"),
        pytest.param([{"gw": ("192.0.2.7",)}, {"gw": ()}], ["192.0.2.7"], id="silence-keeps-last-good"),
        pytest.param([{"gw": ("192.0.2.7",)}, {"gw": ("192.0.2.9",)}], ["192.0.2.9"], id="followed"),
        pytest.param([{"a": ("192.0.2.7",), "b": ("192.0.2.7",)}], ["192.0.2.7"], id="same-twice"),
        pytest.param([{"gw": ("2001:DB8:0::7",)}], ["2001:db8::7"], id="v6-only-canonical"),
        pytest.param([{"gw": ("127.0.0.1", "192.0.2.7")}], ["192.0.2.7"], id="refused-left-out"),
        pytest.param([{"a": ("192.0.2.7",)}, {"b": ("192.0.2.8",)}], ["192.0.2.8"], id="host-taken-off-the-link"),
        pytest.param(
            [{"gw": tuple(f"192.0.2.{i}" for i in range(100, 170))}],
            [f"192.0.2.{i}" for i in range(100, 150)],
            id="fifty",
        ),
    ],
)
def test_board_follows_names(answers, expected):
    board = Board(3)
    for answer in answers:
        board.resolve(answer)
    assert [a.ip for a in board.addresses()] == expected


def test_board_keeps_verdicts_of_addresses_that_stay():
    board = Board(1)
    board.resolve({"gw": ("192.0.2.7", "192.0.2.8")})
    assert board.record("192.0.2.7", BAD, 1.0)
    assert board.resolve({"gw": ("192.0.2.7", "192.0.2.9")})
    assert {a.ip: a.alive for a in board.addresses()} == {"192.0.2.7": False, "192.0.2.9": True}


def test_what_was_dead_before_a_restart_is_dead_until_a_probe_succeeds():
    board = Board(3, dead_before=frozenset({"192.0.2.7"}))
    board.resolve({"gw": ("192.0.2.7", "192.0.2.8")})
    assert {a.ip: a.alive for a in board.addresses()} == {"192.0.2.7": False, "192.0.2.8": True}
    assert board.record("192.0.2.7", OK, 1.0) and board.addresses()[0].alive


def test_board_reports_changes_only():
    board = Board(3)
    assert board.resolve({"gw": ("192.0.2.7",)}) and not board.resolve({"gw": ("192.0.2.7",)})
    assert board.record("192.0.2.7", OK, 1.0) and not board.record("192.0.2.7", OK, 2.0)
    assert not board.record("192.0.2.99", OK, 3.0)


@pytest.mark.parametrize(
    "outcomes, health",
    [
        pytest.param({"192.0.2.7": OK, "192.0.2.8": BAD}, Health.ALIVE, id="one-lives"),
        pytest.param({"192.0.2.7": BAD, "192.0.2.8": BAD}, Health.DEAD, id="all-dead"),
        pytest.param({"192.0.2.7": BAD}, Health.UNKNOWN, id="one-unknown"),
    ],
)
def test_health_of_the_whole(outcomes, health):
    board = Board(1)
    board.resolve({"gw": ("192.0.2.7", "192.0.2.8")})
    for ip, outcome in outcomes.items():
        board.record(ip, outcome, 0.0)
    assert board.health() is health


async def _answer(payload: bytes | None, timeout: float = 2.0) -> gateway.Reply:
    asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if payload is None:
            await asked.wait()
        else:
            writer.write(payload)
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reply = await gateway.ask("127.0.0.1", server.sockets[0].getsockname()[1], "probe-west", "/ready", timeout)
        asked.set()
        await asyncio.sleep(0.01)
        return reply


@pytest.mark.parametrize(
    "payload, outcome",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", OK, id="200"),
        pytest.param(b"HTTP/1.1 504 Gateway Timeout\r\n\r\n", BAD, id="504"),
        pytest.param(b"", BAD, id="closed"),
        pytest.param(b"\x16\x03\x01\r\n", BAD, id="not-http"),
        pytest.param(b"HTTP/1.1 200" + b"x" * 9000, BAD, id="endless-line"),
        pytest.param(b"HTTP/1.1 2x0 OK\r\n\r\n", BAD, id="malformed-code"),
    ],
)
def test_probe_reads_answers(payload, outcome):
    assert asyncio.run(_answer(payload)).outcome is outcome


def test_silence_is_a_failure():
    assert asyncio.run(_answer(None, timeout=0.1)).outcome is BAD


def test_refused_by_our_own_sidecar_proves_nothing():
    reply = asyncio.run(gateway.ask("127.0.0.1", 1, "probe-west", "/ready", 1.0))
    assert reply.outcome is UNSURE and "own side" in reply.why


@pytest.mark.parametrize(
    "host, found", [("192.0.2.7", ("192.0.2.7",)), ("name.invalid", ())], ids=["address", "no-such-name"]
)
def test_lookup(host, found):
    assert asyncio.run(gateway.lookup(host, timeout=1.0)) == found
