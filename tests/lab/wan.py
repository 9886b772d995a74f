"""What crossed the lab's WAN, read from a capture. In: a pcap file of Ethernet frames. Out: TCP streams put together, and what is no TCP.

A stream is one direction of one connection. `whole` streams were captured from their first byte on; of others the beginning is unknown.
Never here: capturing, assertions.
"""

import dataclasses
import ipaddress
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator

_MAGIC = {0xA1B2C3D4: ">", 0xD4C3B2A1: "<", 0xA1B23C4D: ">", 0x4D3CB2A1: "<"}
_TCP = 6
_IP, _IP6 = 0x0800, 0x86DD
_QUIET = {0x0806: "arp", 0x88CC: "lldp"}
_PROTOCOLS = {1: "icmp", 17: "udp", 58: "icmp6"}
TLS_KINDS = {20: "change", 21: "alert", 22: "handshake", 23: "data"}
RECORD_LIMIT = 16 * 1024 + 2048

End = tuple[str, int]


@dataclasses.dataclass(frozen=True)
class Stream:
    """What one side of a connection sent. `port` is the server's: where the first packet went, else the lower of the two."""

    source: End
    target: End
    port: int
    data: bytes
    whole: bool


@dataclasses.dataclass
class _Half:
    """Segments of one direction by sequence number, as they came."""

    start: int | None = None
    parts: dict[int, bytes] = dataclasses.field(default_factory=dict[int, bytes])


def read(pcap: bytes) -> tuple[list[Stream], Counter[str]]:
    """The streams of a capture, and how many packets of each other kind there were."""
    halves: defaultdict[tuple[End, End], _Half] = defaultdict(_Half)
    servers: dict[frozenset[End], int] = {}
    others: Counter[str] = Counter()
    for frame in frames(pcap):
        kind, source, target, segment = _packet(frame)
        if segment is None:
            others[kind] += 1
            continue
        here, there, sequence, _, offset, flags = struct.unpack("!HHIIBB", segment[:14])
        ends = (source, here), (target, there)
        half, payload = halves[ends], segment[(offset >> 4) * 4 :]
        if flags & 0x02:
            half.start, half.parts = (sequence + 1) % 2**32, {}
            if not flags & 0x10:
                servers[frozenset(ends)] = there
        elif payload and len(payload) > len(half.parts.get(sequence, b"")):
            half.parts[sequence] = payload
    return [
        Stream(
            *ends, servers.get(frozenset(ends), min(ends[0][1], ends[1][1])), _together(half), half.start is not None
        )
        for ends, half in halves.items()
    ], others


def frames(pcap: bytes) -> Iterator[bytes]:
    """The frames of a capture; one that was cut off at its end is left out."""
    (magic,) = struct.unpack(">I", pcap[:4])
    order = _MAGIC[magic]
    (link,) = struct.unpack(f"{order}I", pcap[20:24])
    if link & 0xFFFF != 1:
        raise ValueError(f"link type {link}, not Ethernet")
    place = 24
    while place + 16 <= len(pcap):
        _, _, size, _ = struct.unpack(f"{order}IIII", pcap[place : place + 16])
        if place + 16 + size <= len(pcap):
            yield pcap[place + 16 : place + 16 + size]
        place += 16 + size


def _packet(frame: bytes) -> tuple[str, str, str, bytes | None]:
    """Kind, source, target and the TCP segment of a frame; no segment where it is no TCP."""
    (kind,) = struct.unpack("!H", frame[12:14])
    if kind == _IP:
        packet = frame[14 : 14 + struct.unpack("!H", frame[16:18])[0]]
        protocol, head = packet[9], (packet[0] & 15) * 4
        source, target = ipaddress.ip_address(packet[12:16]), ipaddress.ip_address(packet[16:20])
    elif kind == _IP6:
        packet = frame[14 : 54 + struct.unpack("!H", frame[18:20])[0]]
        protocol, head = packet[6], 40
        source, target = ipaddress.ip_address(packet[8:24]), ipaddress.ip_address(packet[24:40])
        if protocol == 0:  # a hop-by-hop header stands before what is meant (multicast listeners)
            protocol, head = packet[40], 48
    else:
        return _QUIET.get(kind, f"ethertype {kind:#06x}"), "", "", None
    if protocol == _TCP:
        return "tcp", str(source), str(target), packet[head:]
    return _PROTOCOLS.get(protocol, f"protocol {protocol}"), str(source), str(target), None


def _together(half: _Half) -> bytes:
    """The bytes in order, up to the first gap."""
    if not half.parts:
        return b""
    start = half.start if half.start is not None else next(iter(half.parts))
    found = bytearray()
    for sequence in sorted(half.parts, key=lambda one: (one - start) % 2**32):
        at = (sequence - start) % 2**32
        if at >= 2**31:  # from before the beginning
            continue
        if at > len(found):
            break
        found += half.parts[sequence][len(found) - at :]
    return bytes(found)


def hello(stream: Stream) -> tuple[bytes, bytes]:
    """The first record, which TLS sends in the clear, and the rest; without a first record where the beginning is unknown."""
    size = 5 + int.from_bytes(stream.data[3:5]) if stream.whole and len(stream.data) > 5 else 0
    return stream.data[:size], stream.data[size:]


def records(data: bytes) -> list[str]:
    """The kinds of the TLS records that `data` is made of; the last may be unfinished.

    Raises:
        ValueError: these bytes are no TLS.
    """
    found: list[str] = []
    place = 0
    while place < len(data):
        head = data[place : place + 5]
        if head[0] not in TLS_KINDS or (len(head) > 1 and head[1] != 3):
            raise ValueError(f"no TLS record at byte {place}: {data[place : place + 40]!r}")
        found.append(TLS_KINDS[head[0]])
        if len(head) < 5:
            break
        size = int.from_bytes(head[3:5])
        if size > RECORD_LIMIT:
            raise ValueError(f"a record of {size} bytes at byte {place}: {data[place : place + 40]!r}")
        place += 5 + size
    return found
