"""Names for the two ends of an event, and what nobody may see taken out. In: a proxy's event, pods by address. Out: an event of our API.

Never here: which pods there are (see `world`). Pure.
"""

import ipaddress
from collections.abc import Callable

from google.protobuf.message import DecodeError

from isthmus.rpc import tap_pb2
from isthmus.rpc import viz_net_pb2 as net
from isthmus.rpc import viz_pb2 as viz
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap.ask import plan

SECRET = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie"})
REDACTED = "[redacted]"
At = Callable[[str], plan.Pod | None]
"""The pod at an address."""


def translated(seen: tap_pb2.TapEvent) -> api.TapEvent:
    """A proxy's event in the API's words. Both number their fields alike (a test holds that); only header values differ: bytes or text."""
    try:
        return api.TapEvent.FromString(seen.SerializeToString())
    except DecodeError:
        return _binary(seen)


def _binary(seen: tap_pb2.TapEvent) -> api.TapEvent:
    """The same where a header's value is no text."""
    http = seen.http
    lists = (http.request_init.headers, http.response_init.headers, http.response_end.trailers)
    values = [[header.value for header in one.headers] for one in lists]
    for one in lists:
        for header in one.headers:
            header.value = b""
    made = api.TapEvent.FromString(seen.SerializeToString())
    for one, raw in zip(_lists(made), values, strict=True):
        for header, value in zip(one.headers, raw, strict=True):
            try:
                header.value_str = value.decode()
            except UnicodeDecodeError:
                header.value_bin = value
    return made


def _lists(event: api.TapEvent) -> tuple[viz.Headers, ...]:
    http = event.http
    return (http.request_init.headers, http.response_init.headers, http.response_end.trailers)


def redact(event: api.TapEvent, ignored: frozenset[str] = frozenset()) -> None:
    """Values of credentials, whichever proxy sent them; of headers that are `ignored` (in lower case) not even the name stays."""
    if event.http.WhichOneof("event") is None:
        return
    for headers in _lists(event):
        if any(header.name.lower() in ignored for header in headers.headers):
            kept = [header for header in headers.headers if header.name.lower() not in ignored]
            del headers.headers[:]
            headers.headers.extend(kept)
        for header in headers.headers:
            if header.name.lower() in SECRET:
                header.value_str = REDACTED


def name(event: api.TapEvent, seen_by: plan.Pod, at: At) -> None:
    """Say whose the addresses are. What a proxy says itself stays; a pod's own address is its own, whoever else once had it."""
    outbound = event.proxy_direction == api.TapEvent.OUTBOUND
    for address, meta, own in (
        (event.source, event.source_meta, outbound),
        (event.destination, event.destination_meta, not outbound),
    ):
        ip = _ip(address.ip)
        # The source of a request on its way out, and where one that came in ends, unless it only passes through (a gateway).
        here = own and (outbound or ip in seen_by.ips or ipaddress.ip_address(ip).is_loopback)
        found = seen_by if here else at(ip)
        for key, value in (of_pod(found) if found else {}).items():
            if key not in meta.labels:
                meta.labels[key] = value


def of_pod(one: plan.Pod) -> dict[str, str]:
    """The labels of a pod, named as on metrics."""
    labels = {"pod": one.key.name, "namespace": one.key.namespace, "serviceaccount": one.account}
    if one.owner:
        labels[one.owner[0]] = one.owner[1]
    if one.mesh:
        labels["control_plane_ns"] = one.mesh
    return labels


def _ip(said: net.IPAddress) -> str:
    if said.WhichOneof("ip") == "ipv6":
        return str(ipaddress.IPv6Address(said.ipv6.first << 64 | said.ipv6.last))
    return str(ipaddress.IPv4Address(said.ipv4))


def address(said: net.TcpAddress) -> str:
    """`10.0.0.1:80`, `[fd00::1]:80`."""
    ip = _ip(said.ip)
    return f"[{ip}]:{said.port}" if ":" in ip else f"{ip}:{said.port}"
