"""Events as lines, rows and JSON. In: `Event`s. Out: text. Pure.

A line is Linkerd's: `req id=0:1 proxy=out src=... dst=... tls=true :method=GET :authority=web :path=/`; with several clusters it ends with
`cluster=`. Never here: streams, terminals.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from isthmus.tap.tell import events

WIDE = ("pod", "namespace", "deployment", "statefulset", "daemonset", "service", "target_cluster", "target_service")


def line(event: events.Event, *, wide: bool = False, cluster: bool = False) -> str:
    """One event as one line."""
    if event.kind == events.NOTICE:
        return f"note {event.sentence}" + (f" cluster={event.cluster}" if cluster else "")
    parts = [
        event.kind,
        f"id={event.base}:{event.stream}",
        f"proxy={'in' if event.inbound else 'out'}",
        f"src={event.source.address}",
        f"dst={event.destination.address}",
        f"tls={tls(event)}",
        *_of_kind(event),
    ]
    if wide:
        parts += [*_labels("src", event.source.labels), *_labels("dst", event.destination.labels)]
        parts += [f"rt_{key}={value}" for key, value in sorted(event.route.items())]
    return " ".join(parts + ([f"cluster={event.cluster}"] if cluster else []))


def tls(event: events.Event) -> str:
    """Whether the connection to the other side is mTLS, or why not."""
    labels = event.source.labels if event.inbound else event.destination.labels
    said = labels.get("tls", "")
    return labels.get("no_tls_reason", said) if said == "no_identity" else said


def _of_kind(event: events.Event) -> list[str]:
    match event.kind:
        case events.REQUEST:
            return [f":method={event.method}", f":authority={event.authority}", f":path={event.path}"]
        case events.RESPONSE:
            return [f":status={event.status}", f"latency={micros(event.since_request)}"]
        case _:
            grpc = [f"grpc-status={code(event.grpc)}"] if event.grpc is not None else []
            reset = [f"reset-error={event.reset}"] if event.reset is not None else []
            since = [f"duration={micros(event.since_response)}"] if event.since_response is not None else []
            return [*grpc, *reset, *since, f"response-length={event.bytes}B"]


def _labels(side: str, labels: Mapping[str, str]) -> list[str]:
    return [f"{side}_{key}={labels[key]}" for key in WIDE if labels.get(key)]


def micros(seconds: float) -> str:
    """As Linkerd writes a time."""
    return f"{round(seconds * 1e6)}µs"


_CODES = (
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"),
    *("PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"),
    *("Internal", "Unavailable", "DataLoss", "Unauthenticated"),
)


def code(grpc: int) -> str:
    """The word for a gRPC status."""
    return _CODES[grpc] if 0 <= grpc < len(_CODES) else str(grpc)


HEADER = ("ID", "PROXY", "FROM", "TO", "METHOD", "AUTHORITY", "PATH", "STATUS", "LATENCY", "TLS")


class Rows:
    """Requests as rows of a table, each once it is over. Limit: LIMIT requests that are not."""

    LIMIT = 10_000

    def __init__(self) -> None:
        self._open: dict[tuple[str, str, int, int], tuple[events.Event, events.Event | None]] = {}

    def take(self, event: events.Event) -> list[str] | None:
        """The row that an event completes."""
        if event.kind == events.REQUEST:
            if len(self._open) >= self.LIMIT:
                self._open.pop(next(iter(self._open)))
            self._open[event.key] = (event, None)
        found = self._open.get(event.key)
        if found is None or event.kind == events.REQUEST:
            return None
        if event.kind == events.RESPONSE:
            self._open[event.key] = (found[0], event)
            return None
        del self._open[event.key]
        return row(found[0], found[1], event)


def row(head: events.Event, answer: events.Event | None, end: events.Event) -> list[str]:
    """One request as a row."""
    status = str(answer.status) if answer else ("reset" if end.reset is not None else "-")
    if end.grpc is not None:
        status = code(end.grpc)
    since = answer.since_request if answer else end.since_request
    return [
        f"{head.base}:{head.stream}",
        "in" if head.inbound else "out",
        head.source.pod or head.source.address,
        head.destination.pod or target(head) or head.destination.address,
        head.method,
        head.authority,
        head.path,
        status,
        millis(since),
        tls(head) or "-",
    ]


def target(head: events.Event) -> str:
    """Where a request goes that leaves the cluster."""
    labels = head.destination.labels
    if not labels.get("target_cluster"):
        return ""
    return (
        f"{labels.get('target_service_namespace', '')}/{labels.get('target_service', '')} of {labels['target_cluster']}"
    )


def millis(seconds: float) -> str:
    """A time people read: `0.42ms`, `17ms`, `1.20s`."""
    if seconds >= 1:
        return f"{seconds:.2f}s"
    return f"{seconds * 1000:.2f}ms" if seconds < 0.01 else f"{seconds * 1000:.0f}ms"


def document(event: events.Event) -> dict[str, Any]:
    """One event as JSON has it: Linkerd's keys, and the cluster."""
    if event.kind == events.NOTICE:
        return {"cluster": event.cluster, "notice": {"sentence": event.sentence, "dropped": event.dropped}}
    made: dict[str, Any] = {
        "cluster": event.cluster,
        "proxy": event.proxy,
        "source": _end_of(event.source),
        "destination": _end_of(event.destination),
        "routeMeta": dict(event.route),
        "proxyDirection": "INBOUND" if event.inbound else "OUTBOUND",
    }
    at = {"id": {"base": event.base, "stream": event.stream}}
    headers = [{"name": name, "value": value} for name, value in event.headers]
    match event.kind:
        case events.REQUEST:
            said = {"method": event.method, "scheme": event.scheme, "authority": event.authority, "path": event.path}
            made["requestInitEvent"] = {**at, **said, "headers": headers}
        case events.RESPONSE:
            since = nanos(event.since_request)
            made["responseInitEvent"] = {
                **at,
                "sinceRequestInit": since,
                "httpStatus": event.status,
                "headers": headers,
            }
        case _:
            made["responseEndEvent"] = {
                **at,
                "sinceRequestInit": nanos(event.since_request),
                "sinceResponseInit": nanos(event.since_response) if event.since_response is not None else None,
                "responseBytes": event.bytes,
                "trailers": headers,
                "grpcStatusCode": event.grpc,
                "resetErrorCode": event.reset,
            }
    return made


def nanos(seconds: float) -> dict[str, int]:
    """A time as Linkerd's JSON has it."""
    whole = int(seconds)
    return {"seconds": whole, "nanos": round((seconds - whole) * 1e9)}


def _end_of(peer: events.Peer) -> dict[str, Any]:
    ip, _, port = peer.address.rpartition(":")
    return {"ip": ip.strip("[]"), "port": int(port or 0), "metadata": dict(peer.labels)}


WIDTHS = (8, 5, 34, 34, 7, 28, 28, 10, 8)


def columns(cells: Sequence[str]) -> str:
    """A row of a table that grows: columns of a fixed width, as the rows to come are not known."""
    widths = (*((10,) if len(cells) > len(HEADER) else ()), *WIDTHS)
    return " ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), *cells[len(widths) :]])
