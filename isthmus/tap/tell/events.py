"""One event as programs of ours read it. In: a `TapEvent` of the API, the cluster it came from. Out: an `Event`. Pure.

The CLI's lines, its JSON, the joiner and the dashboard all start here. Never here: how an event looks (see `isthmus.cli.tapping`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus.rpc import viz_pb2 as viz
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap.tell import labels

REQUEST, RESPONSE, END, NOTICE = "req", "rsp", "end", "notice"
_WORDS = {"request_init": REQUEST, "response_init": RESPONSE, "response_end": END}
_METHODS = {number: word for word, number in viz.HttpMethod.Registered.items()}
_SCHEMES = {number: word.lower() for word, number in viz.Scheme.Registered.items()}
NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Peer:
    """One end: its address, and labels as on metrics."""

    address: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def pod(self) -> str:
        """`namespace/pod`, or "" where it is none."""
        name = self.labels.get("pod", "")
        return f"{self.labels.get('namespace', '')}/{name}" if name else ""


@dataclass(frozen=True, slots=True)
class Event:
    """What one proxy told. Times are seconds since its request began there; `key` is one request at one proxy."""

    kind: str
    cluster: str = ""
    base: int = 0
    stream: int = 0
    inbound: bool = False
    source: Peer = field(default_factory=Peer)
    destination: Peer = field(default_factory=Peer)
    route: Mapping[str, str] = field(default_factory=dict[str, str])
    proxy: str = ""
    """`namespace/pod` of the proxy that saw it; "" from a tap service that does not say."""
    identity: str = ""
    method: str = ""
    scheme: str = ""
    authority: str = ""
    path: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    status: int = 0
    since_request: float = 0.0
    since_response: float | None = None
    bytes: int = 0
    grpc: int | None = None
    reset: int | None = None
    sentence: str = ""
    dropped: int = 0

    @property
    def key(self) -> tuple[str, str, int, int]:
        return (self.cluster, self.proxy, self.base, self.stream)


def read(said: api.TapEvent, cluster: str = "") -> Event | None:
    """The event; None where it is of a kind that is not known."""
    if said.HasField("notice"):
        return Event(NOTICE, cluster, sentence=said.notice.sentence, dropped=said.notice.dropped)
    which = said.http.WhichOneof("event")
    if which is None:
        return None
    part = getattr(said.http, which)
    common: dict[str, Any] = {
        "kind": _WORDS[which],
        "cluster": cluster,
        "base": part.id.base,
        "stream": part.id.stream,
        "inbound": said.proxy_direction == api.TapEvent.INBOUND,
        "source": Peer(labels.address(said.source), dict(said.source_meta.labels)),
        "destination": Peer(labels.address(said.destination), dict(said.destination_meta.labels)),
        "route": dict(said.route_meta.labels),
        "proxy": f"{said.proxy.namespace}/{said.proxy.pod}" if said.proxy.pod else "",
        "identity": said.proxy.identity,
    }
    return Event(**common, **_READ[which](part))


def _request(part: api.TapEvent.Http.RequestInit) -> dict[str, Any]:
    return {
        "method": _word(part.method, _METHODS),
        "scheme": _word(part.scheme, _SCHEMES),
        "authority": part.authority,
        "path": part.path,
        "headers": _headers(part.headers.headers),
    }


def _response(part: api.TapEvent.Http.ResponseInit) -> dict[str, Any]:
    return {
        "status": part.http_status,
        "since_request": _seconds(part.since_request_init),
        "headers": _headers(part.headers.headers),
    }


def _end(part: api.TapEvent.Http.ResponseEnd) -> dict[str, Any]:
    ended = part.eos.WhichOneof("end")
    return {
        "since_request": _seconds(part.since_request_init),
        "since_response": _seconds(part.since_response_init) if part.HasField("since_response_init") else None,
        "bytes": part.response_bytes,
        "grpc": part.eos.grpc_status_code if ended == "grpc_status_code" else None,
        "reset": part.eos.reset_error_code if ended == "reset_error_code" else None,
        "headers": _headers(part.trailers.headers),
    }


_READ: dict[str, Any] = {"request_init": _request, "response_init": _response, "response_end": _end}


def _word(said: viz.HttpMethod | viz.Scheme, known: Mapping[int, str]) -> str:
    if said.WhichOneof("type") == "unregistered":
        return said.unregistered
    return known.get(said.registered, str(said.registered))


def _headers(rows: Iterable[viz.Headers.Header]) -> tuple[tuple[str, str], ...]:
    return tuple((r.name.lower(), r.value_str or r.value_bin.decode("latin-1")) for r in rows)


def _seconds(said: Any) -> float:
    return said.seconds + said.nanos / 1e9
