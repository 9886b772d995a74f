"""The bad-input list, cases 30 to 40, as frames by hand through three doors."""

import dataclasses
import struct
import time

import hpack
import pytest

from tests.wire import bad, conftest, raw, world

pytestmark = pytest.mark.wire

FORBIDDEN = [(b"connection", b"close"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c"), (b"te", b"gzip")]


@pytest.fixture
def bench(stage: conftest.Stage, state: world.State) -> bad.Bench:
    return bad.open_bench(stage)


def decoded(block: bytes, decoder: hpack.Decoder) -> dict[str, str]:
    return {str(name): str(value) for name, value in decoder.decode(block)}


def malformed(way: str) -> dict[str, raw.Fields]:
    """Heads that break the rules, by case."""
    path = f"/case-{way}".encode()
    good = raw.request(path)
    cases: dict[str, raw.Fields] = {
        "36 authority and host differ": [*good, (b"host", b"other")],
        "36 two paths": [*good[:3], (b":path", b"/x"), good[3]],
        "36 pseudo after a field": [*good[:3], (b"x", b"y"), good[3]],
        "36 unknown pseudo": [(b":x", b"y"), *good],
        "36 status in a request": [*good, (b":status", b"200")],
        "36 no path": [good[0], good[1], good[3]],
        "36 upper case": [*good, (b"X", b"y")],
        "24 fragment": raw.request(path + b"#x"),
        "37 carriage return": [*good, (b"x", b"a\rb")],
        "37 line feed": [*good, (b"x", b"a\nb: c")],
        "37 NUL": [*good, (b"x", b"a\x00b")],
        "37 line in a name": [*good, (b"x: y\r\nz", b"a")],
        "37 line in the path": raw.request(path + b" HTTP/1.1\r\nx: y"),
        "37 line in the authority": [*good[:3], (b":authority", b"evil\r\nx: y")],
        "37 line in the method": raw.request(path, b"GET / HTTP/1.1\r\nx:"),
        "38 plus": [*good, (b"content-length", b"+3")],
        "38 declared and nothing": [*good, (b"content-length", b"3")],
        "39 extended CONNECT": [(b":protocol", b"websocket"), *raw.request(path, b"CONNECT")],
    }
    return cases | {f"36 {name.decode()}": [*good, (name, value)] for name, value in FORBIDDEN}


@pytest.mark.parametrize("way", bad.WAYS)
def test_malformed_requests_reset_their_stream_and_no_other(bench: bad.Bench, way: str) -> None:
    """Cases 36 to 39: PROTOCOL_ERROR for each, and the connection still serves."""
    cases = malformed(way)
    with bad.counted(bench.proxy(way), bad.family(way), "http2_stream", least=len(cases)):
        sent = b"".join(raw.headers(1 + 2 * n, fields) for n, fields in enumerate(cases.values()))
        last = 1 + 2 * len(cases)
        sent += raw.headers(last, raw.request(b"/after"))
        whole = lambda data: raw.saw(raw.HEADERS, last)(data) and len(raw.resets(data)) >= len(cases)  # noqa: E731
        answer = raw.ask(bench.connect(way, bad.H2), raw.greeting() + sent, 5, whole)
    found = raw.resets(answer.data)
    for number, case in enumerate(cases):
        assert found.get(1 + 2 * number) == raw.PROTOCOL_ERROR, case
    assert any(kind == raw.HEADERS and stream == last for kind, _, stream, _ in raw.frames(answer.data))
    assert raw.goaway(answer.data) is None and not bench.reached(f"/case-{way}")


@pytest.mark.parametrize("way", bad.WAYS)
@pytest.mark.parametrize("body", [b"ab", b"abcd"], ids=["short", "long"])
def test_a_body_that_is_not_as_long_as_it_says_resets_and_poisons_nothing(
    bench: bad.Bench, way: str, body: bytes
) -> None:
    """Case 38: the server's side is one link for all, so the neighbour's request must come through it."""
    head = raw.request(b"/length", b"POST", (b"content-length", b"3"))
    sent = raw.headers(1, head, raw.END_HEADERS) + raw.frame(raw.DATA, raw.END_STREAM, 1, body)
    with bad.counted(bench.proxy(way), bad.family(way), "http2_stream"):
        whole = lambda data: raw.saw(raw.DATA, 3)(data) and raw.saw(raw.RST, 1)(data)  # noqa: E731
        sent += raw.headers(3, raw.request(b"/next"))
        answer = raw.ask(bench.connect(way, bad.H2), raw.greeting() + sent, 5, whole)
    assert raw.resets(answer.data).get(1) == raw.PROTOCOL_ERROR
    assert any(kind == raw.DATA and stream == 3 for kind, _, stream, _ in raw.frames(answer.data))


@dataclasses.dataclass(frozen=True)
class Flood:
    """Frames again and again. A verified peer or our application has a hundred times a stranger's budget."""

    id: str
    reason: str
    frames: bytes
    first: bytes = b""
    count: int = 5_000
    trusted: int = 45_000


OPEN = raw.headers(1, raw.request(b"/hang", b"POST"), raw.END_HEADERS)
FLOODS = [
    Flood("31 CONTINUATION of nothing", "http2_flood", raw.frame(raw.CONTINUATION, 0, 1),
          raw.frame(raw.HEADERS, 0, 1, raw.literal(raw.request()))),
    Flood("31 CONTINUATION with bytes", "http2_header_block", raw.frame(raw.CONTINUATION, 0, 1, b"x" * 1_000),
          raw.frame(raw.HEADERS, 0, 1), 200, 200),
    Flood("33 PING", "http2_flood", raw.frame(raw.PING, 0, 0, b"12345678")),
    Flood("33 SETTINGS", "http2_flood", raw.frame(raw.SETTINGS, 0, 0)),
    Flood("33 PRIORITY", "http2_flood", raw.frame(raw.PRIORITY, 0, 1, b"\0\0\0\0\0")),
    Flood("33 unknown frames", "http2_flood", raw.frame(77, 0, 0)),
    Flood("33 empty DATA", "http2_flood", raw.frame(raw.DATA, 0, 1), OPEN),
    Flood("34 tiny windows", "http2_flood", raw.frame(raw.WINDOW, 0, 1, struct.pack(">I", 1)), OPEN),
]  # fmt: skip


@pytest.mark.parametrize("way", bad.WAYS)
def test_floods_end_the_connection(bench: bad.Bench, way: str) -> None:
    """Cases 31 and 33: closed with ENHANCE_YOUR_CALM, in bounded memory."""
    for flood in FLOODS:
        count = flood.count if way == "inbound" else flood.trusted
        with bad.counted(bench.proxy(way), bad.family(way), flood.reason):
            answer = raw.ask(bench.connect(way, bad.H2), raw.greeting() + flood.first + flood.frames * count, 10)
        assert answer.end != "open", flood.id
        assert raw.goaway(answer.data) in (raw.CALM, None), flood.id
        assert raw.goaway(answer.data) == raw.CALM or answer.end == "reset", flood.id


def opens_and_resets(count: int) -> bytes:
    """Case 30."""
    pairs = [
        raw.headers(n, raw.request(b"/rapid")) + raw.frame(raw.RST, 0, n, struct.pack(">I", 8))
        for n in range(1, 2 * count, 2)
    ]
    return b"".join(pairs)


def test_rapid_resets_end_the_connection_and_hardly_reach_the_server(bench: bad.Bench) -> None:
    """Case 30 of a stranger: at most the budget of requests becomes work."""
    before = len(bench.reached("/rapid"))
    with bad.counted(bench.stage.server, "inbound_refused_total", "http2_resets"):
        answer = raw.ask(bench.connect("inbound", bad.H2), raw.greeting() + opens_and_resets(2_000), 10)
    assert raw.goaway(answer.data) == raw.CALM
    bad.settle()
    assert len(bench.reached("/rapid")) - before <= 300


def test_a_verified_link_may_reset_what_many_clients_gave_up(bench: bad.Bench) -> None:
    """A thousand resets at once are a service that hangs, not an attack, when a peer's proxy sends them."""
    with bench.connect("gateway", bad.H2) as sock:
        sock.sendall(raw.greeting() + opens_and_resets(1_000) + raw.headers(9_001, raw.request(b"/alive")))
        until, seen = time.monotonic() + 10, b""
        while b"ok" not in seen and time.monotonic() < until:
            seen += raw.read(sock, 0.5).data
    assert raw.goaway(seen) is None
    assert any(stream == 9_001 and kind == raw.HEADERS for kind, _, stream, _ in raw.frames(seen))


def test_provoked_resets_do_not_pile_up_while_the_peer_reads_nothing(bench: bad.Bench) -> None:
    """Case 32: each malformed stream makes us answer; the budget of resets ends that, read or not."""
    broken = [(b"x", b"a\rb"), *raw.request()]
    many = b"".join(raw.headers(n, broken) for n in range(1, 20_001, 2))
    with (
        bad.counted(bench.stage.server, "inbound_refused_total", "http2_resets"),
        bench.connect("inbound", bad.H2) as sock,
    ):
        sock.settimeout(5)
        raw.send(sock, raw.greeting() + many)
        bad.settle(1)


def bomb() -> bytes:
    """One long field in the table, named a thousand times: 4 MB of fields in 5 KB."""
    encoder = hpack.Encoder()
    block = encoder.encode([(n, v) for n, v in raw.request(b"/bomb")], huffman=False)
    block += b"\x40" + raw.prefixed(1, 7) + b"x" + raw.prefixed(4_000, 7) + b"y" * 4_000
    return block + b"\xbe" * 1_000


@pytest.mark.parametrize("way", bad.WAYS)
def test_an_hpack_bomb_is_431_in_bounded_memory(bench: bad.Bench, way: str) -> None:
    """Case 35."""
    sent = raw.greeting() + raw.frame(raw.HEADERS, 5, 1, bomb()) + raw.headers(3, raw.request(b"/after-bomb"))
    with bad.counted(bench.proxy(way), bad.family(way), "http2_header_list", memory=2 << 20):
        answer = raw.ask(bench.connect(way, bad.H2), sent, 5, raw.saw(raw.HEADERS, 1, 3))
    decoder = hpack.Decoder()
    heads = {s: decoded(p, decoder) for kind, _, s, p in raw.frames(answer.data) if kind == raw.HEADERS}
    assert heads[1][":status"] == "431" and heads[3][":status"] == "200"
    assert not bench.reached("/bomb\n")


@pytest.mark.parametrize("way", bad.WAYS)
def test_table_sizes_that_flip_and_flop_cost_nothing(bench: bad.Bench, way: str) -> None:
    """Case 35: size updates at the start of each block; above what we announced it is an error of the connection."""
    proxy = bench.proxy(way)
    before = bad.resident(proxy)
    flip = b"\x20" + raw.prefixed(4_096, 5, 0x20)
    sent = b"".join(raw.frame(raw.HEADERS, 5, n, flip + raw.literal(raw.request(b"/flip"))) for n in range(1, 201, 2))
    answer = raw.ask(bench.connect(way, bad.H2), raw.greeting() + sent, 9, raw.saw(raw.HEADERS, *range(1, 201, 2)))
    answered = {s for kind, _, s, _ in raw.frames(answer.data) if kind == raw.HEADERS}
    assert len(answered) == 100 and bad.resident(proxy) - before < bad.MEMORY
    wide = raw.frame(raw.HEADERS, 5, 1, raw.prefixed(1 << 20, 5, 0x20) + raw.literal(raw.request()))
    with bad.counted(proxy, bad.family(way), "http2_compression"):
        answer = raw.ask(bench.connect(way, bad.H2), raw.greeting() + wide, 5)
    assert raw.goaway(answer.data) == 9


@pytest.mark.parametrize("way", bad.WAYS)
@pytest.mark.parametrize(
    "case, sent, reason, code",
    [
        ("a window above 2^31", raw.frame(raw.WINDOW, 0, 0, struct.pack(">I", 0x7FFFFFFF)), "http2_flow_control", 3),
        ("a window of nothing", raw.frame(raw.WINDOW, 0, 0, bytes(4)), "http2_protocol", 1),
        ("a frame too large", raw.frame(raw.DATA, 0, 1, bytes(20_000)), "http2_frame_size", 6),
        ("push from a client", raw.frame(raw.PUSH, 4, 1, bytes(4)), "http2_protocol", 1),
        ("an even stream", raw.headers(2, raw.request()), "http2_protocol", 1),
        ("a header block interrupted", raw.frame(raw.HEADERS, 0, 1) + raw.frame(raw.PING, 0, 0, bytes(8)), "http2_protocol", 1),
        ("a block that is no HPACK", raw.frame(raw.HEADERS, 5, 1, b"\xff\xff\xff\xff\xff"), "http2_compression", 9),
    ],
)  # fmt: skip
def test_breaches_end_the_connection_with_their_code(
    bench: bad.Bench, way: str, case: str, sent: bytes, reason: str, code: int
) -> None:
    with bad.counted(bench.proxy(way), bad.family(way), reason):
        answer = raw.ask(bench.connect(way, bad.H2), raw.greeting() + sent, 5)
    assert raw.goaway(answer.data) == code and answer.end != "open", case


@pytest.mark.parametrize("way", bad.WAYS)
def test_connect_is_405(bench: bad.Bench, way: str) -> None:
    """Case 39."""
    fields = [(b":method", b"CONNECT"), (b":authority", b"evil:80")]
    with bad.counted(bench.proxy(way), bad.family(way), "connect"):
        answer = raw.ask(
            bench.connect(way, bad.H2), raw.greeting() + raw.headers(1, fields), 5, raw.saw(raw.HEADERS, 1)
        )
    (head,) = [payload for kind, _, _, payload in raw.frames(answer.data) if kind == raw.HEADERS]
    assert decoded(head, hpack.Decoder())[":status"] == "405"


GRPC = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]


@pytest.mark.parametrize("way", bad.WAYS)
def test_grpc_oddities_pass_or_are_mapped_in_bounded_memory(bench: bad.Bench, way: str) -> None:
    """Case 40: a message of 4 GB is a claim, not a buffer; an endless grpc-timeout is no overflow; 64 k of metadata is 431; the
    evil server's answer, which is no gRPC, passes and counts as UNKNOWN."""
    claim = raw.frame(raw.DATA, raw.END_STREAM, 1, b"\0\xff\xff\xff\xff" + b"x" * 100)
    head = raw.request(b"/svc/M", b"POST", *GRPC, (b"grpc-timeout", b"99999999999999999999H"))
    asked = raw.greeting() + raw.headers(1, head, raw.END_HEADERS) + claim
    proxy = bench.proxy(way)
    before, unknown = bad.resident(proxy), proxy.metric("response_total", grpc_status="2", classification="failure")
    answer = raw.ask(bench.connect(way, bad.H2), asked, 5, raw.saw(raw.DATA, 1))
    assert proxy.metric("response_total", grpc_status="2", classification="failure") > unknown
    assert any(kind == raw.DATA and stream == 1 for kind, _, stream, _ in raw.frames(answer.data))
    assert bad.resident(proxy) - before < bad.MEMORY
    fields = raw.literal([*raw.request(b"/svc/M", b"POST", *GRPC), *[(b"m%d" % n, b"x" * 1_000) for n in range(70)]])
    parts = [fields[at : at + 16_000] for at in range(0, len(fields), 16_000)]
    sent = raw.frame(raw.HEADERS, raw.END_STREAM, 1, parts[0])
    sent += b"".join(raw.frame(raw.CONTINUATION, 0, 1, part) for part in parts[1:-1])
    sent += raw.frame(raw.CONTINUATION, raw.END_HEADERS, 1, parts[-1])
    with bad.counted(proxy, bad.family(way), "http2_header_block"):
        assert raw.ask(bench.connect(way, bad.H2), raw.greeting() + sent, 5).end != "open"


def test_more_streams_than_allowed_are_refused(bench: bad.Bench) -> None:
    sent = b"".join(raw.headers(n, raw.request(b"/hang")) for n in range(1, 441, 2))
    with bad.counted(bench.stage.server, "inbound_refused_total", "http2_stream_refused", least=20):
        enough = lambda data: len(raw.resets(data)) >= 20  # noqa: E731
        answer = raw.ask(bench.connect("inbound", bad.H2), raw.greeting() + sent, 5, enough)
    assert set(raw.resets(answer.data).values()) == {7}
