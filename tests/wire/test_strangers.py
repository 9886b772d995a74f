"""Strangers who are slow, idle, many or a flood (cases 15, 30 to 34): ended in time, by a counted reason, and others do not notice."""

import concurrent.futures
import contextlib
import os
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator

import pytest

from tests.wire import bad, conftest, pods, raw, world

pytestmark = pytest.mark.wire

INBOUND = "inbound_refused_total"
STEP = 0.3
POST = b"POST /hang HTTP/1.1\r\nhost: evil\r\ncontent-length: 1000000\r\n\r\n"
BIG = b"GET /big HTTP/1.1\r\nhost: evil\r\n\r\n"
WIDE = struct.pack(">HI", 4, 0x7FFFFFFF)
SHUT = struct.pack(">HI", 4, 0)


@pytest.fixture(scope="module")
def hasty(stage: conftest.Stage) -> Iterator[bad.Bench]:
    """The server's proxy with seconds instead of minutes."""
    limits = {"PROGRESS_TIMEOUT": "2s", "STRANGER_IDLE_TIMEOUT": "3s", "MAX_CONNECTIONS_PER_SOURCE": "120"}
    stage.state.reset()
    stage.server.restart_proxy(stage.anchors, **{f"ISTHMUS_PROXY_{name}": value for name, value in limits.items()})
    yield bad.open_bench(stage)
    stage.server.restart_proxy(stage.anchors)


def dribble(sock: socket.socket, piece: bytes, limit: float = 20) -> raw.Answer:
    """A piece again and again until the other side has had enough."""
    seen, until = b"", time.monotonic() + limit
    while time.monotonic() < until:
        raw.send(sock, piece)
        answer = raw.read(sock, STEP)
        seen += answer.data
        if answer.end != "open" or any(kind == raw.RST for kind, *_ in raw.frames(seen)) or b" 408 " in seen:
            return raw.Answer(seen, answer.end)
    return raw.Answer(seen, "open")


def slow_body(bench: bad.Bench) -> bool:
    with bench.connect("inbound") as sock:
        raw.send(sock, POST)
        return dribble(sock, b"x").status == 408


def slow_reader(bench: bad.Bench) -> bool:
    with bench.connect("inbound") as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.send(sock, BIG)
        return raw.was_reset(sock, 9 * pods.SLOW) and raw.read(sock, 10).end == "reset"


def slow_frames(bench: bad.Bench) -> bool:
    with bench.connect("inbound", bad.H2) as sock:
        raw.send(sock, raw.greeting() + raw.headers(1, raw.request(b"/hang", b"POST"), raw.END_HEADERS))
        answer = dribble(sock, raw.frame(raw.DATA, 0, 1, b"x"))
        return any(kind in (raw.RST, raw.HEADERS) for kind, *_ in raw.frames(answer.data))


def no_window(bench: bad.Bench) -> bool:
    with bench.connect("inbound", bad.H2) as sock:
        raw.send(sock, raw.greeting(SHUT) + raw.headers(1, raw.request(b"/big")))
        return 1 in raw.resets(dribble(sock, b"").data)


def tiny_window(bench: bad.Bench) -> bool:
    with bench.connect("inbound", bad.H2) as sock:
        raw.send(sock, raw.greeting(SHUT) + raw.headers(1, raw.request(b"/big")))
        return 1 in raw.resets(dribble(sock, raw.frame(raw.WINDOW, 0, 1, struct.pack(">I", 1))).data)


def unread_link(bench: bad.Bench) -> bool:
    """Case 32: output waits, the peer reads nothing."""
    with bench.connect("inbound", bad.H2) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wide = raw.frame(raw.WINDOW, 0, 0, struct.pack(">I", 0x7FFF0000 - 65_535))
        raw.send(sock, raw.greeting(WIDE) + wide + raw.headers(1, raw.request(b"/big")))
        return raw.was_reset(sock, 9 * pods.SLOW) and raw.read(sock, 10).end == "reset"


def idle(bench: bad.Bench) -> bool:
    with bench.connect("inbound") as sock:
        raw.send(sock, b"GET / HTTP/1.1\r\nhost: evil\r\n\r\n")
        answer = raw.read(sock, 20)
        return answer.status == 200 and answer.end == "closed"


def idle_link(bench: bad.Bench) -> bool:
    with bench.connect("inbound", bad.H2) as sock:
        raw.send(sock, raw.greeting() + raw.headers(1, raw.request()))
        answer = raw.read(sock, 30)
        return raw.goaway(answer.data) == 0 and answer.end == "closed"


SLOW = {
    "body_timeout": [slow_body, slow_frames],
    "reader_timeout": [slow_reader, no_window, tiny_window, unread_link],
    "idle_timeout": [idle, idle_link],
}


def test_whoever_stands_still_ends_for_its_reason(hasty: bad.Bench) -> None:
    """All at once, since each takes seconds."""
    server = hasty.stage.server
    before = {reason: server.metric(INBOUND, reason=reason) for reason in SLOW}
    size = bad.resident(server)
    all_of_them: list[Callable[[bad.Bench], bool]] = [one for some in SLOW.values() for one in some]
    with concurrent.futures.ThreadPoolExecutor(len(all_of_them)) as pool:
        ended = {one.__name__: future for one in all_of_them for future in [pool.submit(one, hasty)]}
    assert {name: future.result() for name, future in ended.items()} == dict.fromkeys(ended, True)
    for reason, some in SLOW.items():
        assert server.metric(INBOUND, reason=reason) >= before[reason] + len(some), reason
    assert bad.resident(server) - size < 8 << 20


def test_whoever_gets_on_is_left_alone(hasty: bad.Bench) -> None:
    with hasty.connect("inbound") as sock:
        raw.send(sock, POST)
        for _ in range(8):
            assert raw.send(sock, b"x" * 2_000)
            assert raw.read(sock, 0.5) == raw.Answer(b"", "open")


def test_one_address_gets_its_share_of_connections(hasty: bad.Bench) -> None:
    """The kubelet's side and the tests are one address; pods are others."""
    with contextlib.ExitStack() as held, bad.counted(hasty.stage.server, INBOUND, "source_connections"):
        socks = [held.enter_context(hasty.connect("inbound")) for _ in range(140)]
        bad.settle(0.5)
        turned = [sock for sock in socks if raw.read(sock, 0.02).end != "open"]
        assert 15 <= len(turned) <= 40
        other = raw.connect(world.IPS["server"], bad.H1, hasty.stage.all["remote"].space)
        assert raw.ask(other, b"GET / HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n", 5).status == 200


MEASURE = """
import http.client, sys, time
conn = http.client.HTTPConnection(sys.argv[1], 8080, timeout=30)
for _ in sys.stdin:
    taken = []
    for _ in range(400):
        began = time.perf_counter()
        conn.request("GET", "/")
        conn.getresponse().read()
        taken.append(time.perf_counter() - began)
        time.sleep(0.001)
    print(sorted(taken)[len(taken) * 99 // 100], flush=True)
"""
ROUNDS = 9
FLOODS = 20
"""A second."""


@contextlib.contextmanager
def measuring(stage: conftest.Stage) -> Generator[Callable[[], float]]:
    """The p99 of a window of requests by a client in another pod, in seconds.

    Client, proxy and application go before everybody else: what the attackers and their server cost is theirs, on machines of their own.
    """
    words = stage.all["remote"].inside(sys.executable, "-c", MEASURE, world.IPS["server"])
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first = [client.pid, *(stage.server.children[role].process.pid for role in ("proxy", "app"))]

    def window() -> float:
        assert client.stdin and client.stdout
        client.stdin.write("go\n")
        client.stdin.flush()
        return float(client.stdout.readline())

    try:
        for pid in first:
            renice(pid, -15)
        window()
        yield window
    finally:
        for pid in first[1:]:
            renice(pid, 0)
        client.kill()
        client.communicate()


def renice(pid: int, to: int) -> None:
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(task.name), to)


@contextlib.contextmanager
def attack(bench: bad.Bench) -> Generator[list[int]]:
    """Slow heads, slow bodies, slow readers, and a flood of pings, resets and streams, from one more connection each time; how many."""
    floods = [
        raw.frame(raw.PING, 0, 0, bytes(8)) * 3_000,
        b"".join(raw.headers(n, raw.request()) + raw.frame(raw.RST, 0, n, bytes(4)) for n in range(1, 601, 2)),
        b"".join(raw.headers(n, raw.request(b"/hang")) for n in range(1, 601, 2)),
    ]
    over, done = threading.Event(), [0]

    def flood() -> None:
        while not over.wait(1 / FLOODS):
            with contextlib.suppress(OSError), bench.connect("inbound", bad.H2) as sock:
                raw.send(sock, raw.greeting() + floods[done[0] % 3])
            done[0] += 1

    with contextlib.ExitStack() as held:
        for first in (b"GET / HTTP/1.1\r\nx: ", POST, BIG):
            for _ in range(25):
                sock = held.enter_context(bench.connect("inbound"))
                raw.send(sock, first)
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            yield done
        finally:
            over.set()
            thread.join()


def test_slow_clients_and_floods_leave_the_p99_of_others_alone(stage: conftest.Stage, state: world.State) -> None:
    """Windows in pairs, calm and under attack; the medians of both are compared, so that a burst of the machine's own hits neither."""
    bench = bad.open_bench(stage)
    calm, under, floods, seconds = [], [], 0, 0.0
    with measuring(stage) as window:
        for _ in range(ROUNDS):
            calm.append(window())
            with attack(bench) as done:
                began = time.monotonic()
                under.append(window())
                floods, seconds = floods + done[0], seconds + time.monotonic() - began
    print(
        f"p99 {statistics.median(calm):.4f} calm, {statistics.median(under):.4f} s under {floods / seconds:.0f} floods a second"
    )
    assert floods / seconds >= FLOODS / 2, "the attackers were not fast enough"
    assert statistics.median(under) <= 1.5 * statistics.median(calm) + 0.005, (calm, under)
