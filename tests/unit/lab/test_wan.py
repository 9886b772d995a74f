"""The reader of captures that the lab's story rests on: frames to streams, streams to TLS records."""

import ipaddress
import struct

import pytest

from tests.lab import wan

EAST, WEST = ("10.99.0.1", 40000), ("10.99.0.2", 4143)
SYN, ACK, PUSH = 0x02, 0x10, 0x18
HELLO = b"\x16\x03\x01\x00\x04abcd"
DATA = b"\x17\x03\x03\x00\x03xyz"


def tcp(source, target, sequence: int, flags: int, payload: bytes = b"") -> bytes:
    segment = struct.pack("!HHIIBBHHH", source[1], target[1], sequence, 0, 5 << 4, flags, 0, 0, 0) + payload
    return packet(source[0], target[0], 6, segment)


def packet(source: str, target: str, protocol: int, body: bytes) -> bytes:
    ends = ipaddress.ip_address(source), ipaddress.ip_address(target)
    if ends[0].version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ends[0].packed + ends[1].packed
        return b"\0" * 12 + b"\x86\xdd" + head + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, protocol, 0) + ends[0].packed + ends[1].packed
    return b"\0" * 12 + b"\x08\x00" + head + body + b"\0" * 6  # Ethernet pads short frames


def pcap(*frames: bytes) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    return head + b"".join(struct.pack("<IIII", 0, 0, len(one), len(one)) + one for one in frames)


def test_a_stream_is_put_together_whatever_order_its_segments_came_in():
    streams, others = wan.read(
        pcap(
            tcp(EAST, WEST, 2**32 - 2, SYN),
            tcp(WEST, EAST, 7, SYN | ACK),
            tcp(EAST, WEST, 2**32 - 1 + 5 - 2**32, PUSH, HELLO[5:]),
            tcp(EAST, WEST, 2**32 - 1, PUSH, HELLO[:5]),
            tcp(EAST, WEST, 2**32 - 1, PUSH, HELLO[:2]),
            tcp(WEST, EAST, 8, PUSH, DATA),
        )
    )
    assert others == {}
    assert {s.source: (s.data, s.whole, s.port) for s in streams} == {
        EAST: (HELLO, True, 4143),
        WEST: (DATA, True, 4143),
    }


def test_a_stream_that_was_there_before_is_not_whole():
    (stream,), _ = wan.read(pcap(tcp(EAST, WEST, 100, PUSH, DATA), tcp(EAST, WEST, 150, PUSH, DATA)))
    assert (stream.whole, stream.data, stream.port) == (False, DATA, 4143)


def test_what_is_no_tcp_is_counted():
    arp = b"\0" * 12 + b"\x08\x06" + b"\0" * 28
    _, others = wan.read(
        pcap(arp, packet("10.0.0.1", "10.0.0.2", 17, b"x" * 8), packet("fe80::1", "ff02::2", 58, b"y" * 8))
    )
    assert others == {"arp": 1, "udp": 1, "icmp6": 1}


def test_a_capture_that_was_cut_off_ends_at_its_last_whole_frame():
    assert len(list(wan.frames(pcap(tcp(EAST, WEST, 1, SYN), tcp(EAST, WEST, 2, PUSH, DATA))[:-3]))) == 1


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        pytest.param(HELLO + DATA, ["handshake", "data"], id="whole"),
        pytest.param(HELLO + DATA[:6], ["handshake", "data"], id="unfinished"),
        pytest.param(HELLO + DATA[:1], ["handshake", "data"], id="a-byte"),
        pytest.param(b"", [], id="nothing"),
    ],
)
def test_records(data: bytes, kinds: list[str]) -> None:
    assert wan.records(data) == kinds


@pytest.mark.parametrize(
    ("whole", "first"), [pytest.param(True, HELLO, id="from-the-first-byte"), pytest.param(False, b"", id="later")]
)
def test_the_hello_and_the_rest(whole: bool, first: bytes) -> None:
    stream = wan.Stream(EAST, WEST, 4143, HELLO + DATA, whole)
    assert wan.hello(stream) == (first, (HELLO + DATA)[len(first) :])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"GET / HTTP/1.1\r\n", id="http"),
        pytest.param(b"PRI * HTTP/2.0\r\n", id="http2"),
        pytest.param(HELLO + b"GET /", id="clear-after-hello"),
        pytest.param(b"\x16\x03\x01\xff\xff" + b"x" * 70000, id="too-long"),
    ],
)
def test_what_is_no_tls_is_told(data: bytes) -> None:
    with pytest.raises(ValueError, match="record"):
        wan.records(data)
