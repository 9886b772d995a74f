"""The bad-input list, cases 1 to 20, over real sockets through three doors: refused, counted, in bounded memory, never forwarded."""

import dataclasses

import pytest

from tests.wire import bad, conftest, pods, raw, world

pytestmark = pytest.mark.wire

LONG = b"a" * (1 << 20)


@dataclasses.dataclass(frozen=True)
class Case:
    """One input. `fields`: of a POST to `/case`; else `whole`, with `%s` where the path goes."""

    id: str
    reason: str
    fields: bytes = b""
    whole: bytes = b""
    body: bytes = b""
    status: int = 400
    forwarded: bool = False

    def bytes(self, path: bytes) -> bytes:
        head = self.whole.replace(b"%s", path) or b"POST %s HTTP/1.1\r\nhost: evil\r\n%s\r\n\r\n" % (path, self.fields)
        return head + self.body


CHUNKED = b"transfer-encoding: chunked"


def chunked(case: str, body: bytes) -> Case:
    """The head is proper and may be on its way when the body turns out not to be."""
    return Case(case, "http1_body", CHUNKED, body=body, forwarded=True)


CASES = [
    Case("1 plus", "http1_content_length", b"content-length: +3", body=b"abc"),
    Case("2 two lengths", "http1_content_length", b"content-length: 3\r\ncontent-length: 4", body=b"abcd"),
    Case("2 twice the same", "http1_content_length", b"content-length: 3\r\ncontent-length: 3", body=b"abc"),
    Case("3 length and coding", "http1_both_framings", b"content-length: 3\r\n" + CHUNKED, body=b"0\r\n\r\n"),
    Case("4 two codings", "http1_transfer_encoding", CHUNKED + b"\r\n" + CHUNKED, body=b"0\r\n\r\n"),
    Case("5 xchunked", "http1_transfer_encoding", b"transfer-encoding: xchunked"),
    Case("5 identity", "http1_transfer_encoding", b"transfer-encoding: chunked, identity"),
    Case("5 control", "http1_field", b"transfer-encoding: \x0bchunked"),
    Case("5 comma", "http1_transfer_encoding", b"transfer-encoding: chunked,"),
    Case("6 in 1.0", "http1_transfer_encoding", whole=b"POST %s HTTP/1.0\r\nhost: evil\r\n" + CHUNKED + b"\r\n\r\n"),
    chunked("7 65 bits", b"1" + b"0" * 16 + b"\r\nx"),
    chunked("8 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    chunked("8 plus", b"+5\r\nhello\r\n0\r\n\r\n"),
    chunked("8 underscore", b"5_0\r\nhello\r\n0\r\n\r\n"),
    chunked("8 blank before", b" 5\r\nhello\r\n0\r\n\r\n"),
    chunked("8 blank behind", b"5 \r\nhello\r\n0\r\n\r\n"),
    chunked("8 endless extension", b"5;" + LONG),
    Case("9 line feed in the line", "http1_bare_line_feed", whole=b"GET %s HTTP/1.1\nhost: evil\r\n\r\n"),
    Case("9 line feed in a field", "http1_bare_line_feed", whole=b"GET %s HTTP/1.1\r\nhost: evil\nx: y\r\n\r\n"),
    Case("9 line feed at the end", "http1_bare_line_feed", whole=b"GET %s HTTP/1.1\r\nhost: evil\r\n\n"),
    Case("9 carriage return in a field", "http1_field", b"x: a\ry: b"),
    chunked("9 line feed in a size", b"5\nhello\r\n0\r\n\r\n"),
    chunked("9 line feed after a chunk", b"5\r\nhello\n0\r\n\r\n"),
    Case("10 blank before the colon", "http1_field", b"x : y"),
    Case("10 blank first", "http1_field", whole=b"GET %s HTTP/1.1\r\n x: y\r\nhost: evil\r\n\r\n"),
    Case("10 folded", "http1_field", b"x: y\r\n z"),
    Case("11 NUL in a value", "http1_field", b"x: a\x00b"),
    Case("11 control in a name", "http1_field", b"x\x01: a"),
    Case("11 delete in a value", "http1_field", b"x: a\x7f"),
    Case("12 1 MB of fields", "http1_head_too_large", b"x: " + LONG, status=431),
    Case("12 10 000 fields", "http1_head_too_large", b"\r\n".join([b"a: b"] * 10_000), status=431),
    Case("12 64 KB line", "http1_start_line_too_long", whole=b"GET %s" + b"a" * (64 << 10) + b" HTTP/1.1\r\n\r\n", status=414),
    Case("14 missing", "http1_host", whole=b"GET %s HTTP/1.1\r\n\r\n"),
    Case("14 doubled", "http1_host", b"host: evil"),
    Case("14 joined", "http1_host", whole=b"GET %s HTTP/1.1\r\nhost: evil, evil\r\n\r\n"),
    Case("24 fragment", "http1_target", whole=b"GET %s#x HTTP/1.1\r\nhost: evil\r\n\r\n"),
    Case("39 CONNECT", "connect", whole=b"CONNECT evil:80 HTTP/1.1\r\nhost: evil:80\r\nx: %s\r\n\r\n", status=405),
]  # fmt: skip


@pytest.fixture
def bench(stage: conftest.Stage, state: world.State) -> bad.Bench:
    return bad.open_bench(stage)


@pytest.mark.parametrize("way", bad.WAYS)
def test_bad_requests_are_refused_counted_and_not_forwarded(bench: bad.Bench, way: str) -> None:
    """All in one test a way: a case is quick, a failure names it."""
    proxy = bench.proxy(way)
    warm = b"GET /warm HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n"
    pods.wait_for(lambda: raw.ask(bench.connect(way), warm, 10).status == 200, 5, "the default policy")
    for number, case in enumerate(CASES):
        path = f"/case-{number}-{way}"
        with bad.counted(proxy, bad.family(way), case.reason):
            answer = raw.ask(bench.connect(way), case.bytes(path.encode()), 5)
        told = answer.status == case.status or (case.forwarded and answer.status in (0, 502))
        assert told and answer.end != "open", f"{case.id}: {answer.data[:200]!r} {answer.end}"
        assert case.forwarded or not bench.reached(path), case.id


def test_a_large_head_costs_less_than_a_megabyte(bench: bad.Bench) -> None:
    """Case 12 by its letter: sixteen at once, each held open with as much as the proxy takes."""
    proxy = bench.proxy("inbound")
    before = bad.resident(proxy)
    socks = [bench.connect("inbound") for _ in range(16)]
    for sock in socks:
        raw.send(sock, b"GET / HTTP/1.1\r\nhost: evil\r\nx: " + LONG[: 60 << 10])
    bad.settle(0.5)
    assert bad.resident(proxy) - before < 16 * (1 << 20)
    for sock in socks:
        assert raw.ask(sock, LONG, 5).status == 431


@pytest.mark.parametrize("way", bad.WAYS)
@pytest.mark.parametrize(
    "path, reason, statuses",
    [
        ("/101", "http1_upgrade", {502}),
        ("/1xx", "response_interim", {502}),
        ("/two-lengths", "response_head", {502}),
        ("/both", "response_head", {502}),
        ("/bad-chunk", "response_body", {200}),
    ],
)
def test_bad_responses_are_502_and_never_whole(
    bench: bad.Bench, way: str, path: str, reason: str, statuses: set[int]
) -> None:
    """Case 18, and its like. The proxy beside the server refuses; a body that breaks later breaks off for the client."""
    with bad.counted(bench.stage.server, "inbound_refused_total", reason):
        answer = raw.ask(
            bench.connect(way), f"GET {path} HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n".encode(), 5
        )
    final = answer.data[answer.data.rindex(b"HTTP/1.1 ") :] if b"HTTP/1.1 " in answer.data else b""
    assert int(final.split(b" ")[1]) in statuses if final else reason == "response_body", answer
    assert answer.data.count(b"HTTP/1.1 103") <= 16
    assert path != "/bad-chunk" or not answer.data.endswith(b"0\r\n\r\n")


def ask_once(bench: bad.Bench, method: str, path: str) -> raw.Answer:
    """The answer, and what follows it for a while."""
    with bench.connect("inbound") as sock:
        raw.send(sock, f"{method} {path} HTTP/1.1\r\nhost: evil\r\n\r\n".encode())
        head = raw.read(sock, 5, lambda data: b"\r\n\r\n" in data)
        rest = raw.read(sock, 0.3) if head.end == "open" else raw.Answer(b"", head.end)
    return raw.Answer(head.data + rest.data, rest.end)


@pytest.mark.parametrize(
    "method, path, status", [("HEAD", "/head", 200), ("GET", "/204", 204), ("GET", "/304", 304), ("GET", "/cut", 200)]
)
def test_a_connection_with_bytes_too_many_or_too_few_is_not_used_again(
    bench: bad.Bench, method: str, path: str, status: int
) -> None:
    """Case 19."""
    first, second = f"{path}?{method}-first", f"{path}?{method}-second"
    answer = ask_once(bench, method, first)
    assert answer.status == status and b"extra" not in answer.data
    if path == "/cut":
        assert answer.end != "open" and not answer.data.endswith(b"0\r\n\r\n")
    else:
        assert b"hello" not in answer.data
    ask_once(bench, method, second)
    assert bench.connections(first) != bench.connections(second) and bench.connections(second)


@pytest.mark.parametrize("way", bad.WAYS)
def test_what_lies_in_a_body_is_body(bench: bad.Bench, way: str) -> None:
    """Case 16: a request inside a declared body."""
    inner = f"GET /smuggled-{way} HTTP/1.1\r\nhost: evil\r\n\r\n".encode()
    head = f"POST /outer HTTP/1.1\r\nhost: evil\r\nconnection: close\r\ncontent-length: {len(inner)}\r\n\r\n"
    answer = raw.ask(bench.connect(way), head.encode() + inner, 5)
    assert answer.status == 200 and answer.data.count(b"HTTP/1.1 ") == 1
    assert not bench.reached(f"/smuggled-{way}")


@pytest.mark.parametrize("way", bad.WAYS)
def test_an_absolute_target_wins_over_host_everywhere(bench: bad.Bench, way: str) -> None:
    """Case 13: through the gateway the authorized name wins, whatever the request says."""
    path = f"/absolute-{way}"
    asked = f"GET http://named{path} HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n"
    assert raw.ask(bench.connect(way), asked.encode(), 5).status == 200
    (head,) = bench.reached(path)
    assert "other" not in head


@pytest.mark.parametrize("way", bad.WAYS)
def test_h2c_is_no_way_round_and_connection_names_no_identity(bench: bad.Bench, way: str) -> None:
    """Cases 17 and 20."""
    path = f"/hop-{way}"
    fields = [
        "connection: upgrade, http2-settings, authorization, l5d-client-id, close",
        "upgrade: h2c",
        "http2-settings: AAMAAABkAAQAAP__",
        "authorization: kept",
    ]
    asked = f"GET {path} HTTP/1.1\r\nhost: evil\r\n" + "\r\n".join(fields) + "\r\n\r\n"
    assert raw.ask(bench.connect(way), asked.encode(), 5).status == 200
    (head,) = bench.reached(path)
    assert "h2c" not in head and "http2-settings" not in head.lower() and "authorization: kept" in head
    assert ("l5d-client-id" in head) == (way != "inbound")


TRUSTED = [
    "l5d-client-id",
    "L5D-Client-ID",
    "l5d_client_id",
    "L5d_Dst_Canonical",
    "l5d-dst-canonical",
    "l5d-orig-proto",
]


@pytest.mark.parametrize("way", ["inbound", "gateway"])
def test_headers_we_trust_are_stripped_at_the_first_hop_and_at_the_gateway(bench: bad.Bench, way: str) -> None:
    """Cases 27 and 29: whatever case, dashes or underscores."""
    path = f"/forged-{way}"
    fields = "\r\n".join(f"{name}: forged" for name in TRUSTED)
    asked = f"GET {path} HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n{fields}\r\n\r\n"
    assert raw.ask(bench.connect(way), asked.encode(), 5).status == 200
    (head,) = bench.reached(path)
    assert "forged" not in head.partition(" HTTP/1.1")[2], head
