"""Inbound requests by Server, route and authorization. In: rows of requests, permissions, refusals. Out: Linkerd's rows, and our own.

Pure. A refusal has no authorization. Connections that are not looked into are rows too, where they are all a Server has.
Never here: asking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from isthmus import names
from isthmus.rpc import insight_pb2 as insight
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz.answer import golden, resolve, stat
from isthmus.viz.ask import query, samples, window

_ROUTE = ("route_kind", "route_name")
_AUTHZ = ("authz_kind", "authz_name")


@dataclass(frozen=True, slots=True)
class Way:
    """One way in: who was asked, through which Server, route and authorization, each (kind, name)."""

    subject: names.Key
    server: tuple[str, str]
    route: tuple[str, str]
    authz: tuple[str, str]


@dataclass(slots=True)
class Seen:
    """What came in by one way; rates per second."""

    measured: golden.Golden = field(default_factory=golden.Golden)
    allowed: float = 0.0
    denied: float = 0.0


def questions(handle: resolve.Handle, source: query.Source) -> dict[str, str]:
    """What to ask, by a word of ours."""
    level: query.Level = "" if handle.by[-1] == "pod" else "server"
    base = query.Select("", handle.matches, (*handle.by, "srv_kind", "srv_name"), level)
    way = (*_ROUTE, *_AUTHZ)
    inbound = query.Select("", (stat.INBOUND, *handle.matches), base.by, level)
    return {
        "responses": query.rate(inbound.of("response_total", *way, "classification"), source),
        "buckets": query.rate(inbound.of("response_latency_ms_bucket", *way, "le"), source),
        "allow": query.rate(base.of("inbound_http_authz_allow_total", *way), source),
        "deny": query.rate(base.of("inbound_http_authz_deny_total", *_ROUTE), source),
        "tcp_allow": query.rate(base.of("inbound_tcp_authz_allow_total", *_AUTHZ), source),
        "tcp_deny": query.rate(base.of("inbound_tcp_authz_deny_total"), source),
    }


def read(key: golden.Key[names.Key], answers: Mapping[str, Sequence[samples.Row]]) -> dict[Way, Seen]:
    """What came in, by way."""
    found: dict[Way, Seen] = {}

    def way(row: samples.Row) -> Way | None:
        at = key(row)
        return Way(at, _pair(row, "srv"), _pair(row, "route"), _pair(row, "authz")) if at is not None else None

    for at, one in golden.gather(way, answers["responses"], answers["buckets"]).items():
        found[at] = Seen(one)
    _add(found, way, answers["allow"], denied=False)
    _add(found, way, answers["deny"], denied=True)
    looked_into = {(at.subject, at.server) for at in found}

    def opaque(row: samples.Row) -> Way | None:
        at = way(row)
        return at if at is not None and (at.subject, at.server) not in looked_into else None

    _add(found, opaque, answers["tcp_allow"], denied=False)
    _add(found, opaque, answers["tcp_deny"], denied=True)
    return found


def _add(found: dict[Way, Seen], way: golden.Key[Way], rows: Iterable[samples.Row], *, denied: bool) -> None:
    for row in rows:
        at = way(row)
        if at is not None and row.value > 0:
            one = found.setdefault(at, Seen())
            one.denied += row.value if denied else 0.0
            one.allowed += 0.0 if denied else row.value


def _pair(row: samples.Row, what: str) -> tuple[str, str]:
    return row.label(f"{what}_kind"), row.label(f"{what}_name")


def table(kind: str, seen: Mapping[Way, Seen], over: window.Window) -> pb.StatTable:
    """Linkerd's rows."""
    rows: list[pb.StatTable.PodGroup.Row] = []
    for at, one in sorted(seen.items(), key=lambda pair: _order(pair[0])):
        space = at.subject.namespace or at.subject.name

        def resource(pair: tuple[str, str], space: str = space) -> pb.Resource:
            return pb.Resource(namespace="" if pair[0] == "default" else space, type=pair[0], name=pair[1])

        row = pb.StatTable.PodGroup.Row(
            resource=pb.Resource(namespace=at.subject.namespace, type=kind, name=at.subject.name),
            time_window=over.text,
            srv_stats=pb.ServerStats(
                allowed_count=round(one.allowed * over.seconds),
                denied_count=round(one.denied * over.seconds),
                srv=resource(at.server),
                route=resource(at.route),
                authz=resource(at.authz),
            ),
        )
        if one.measured.rps > 0:
            row.stats.CopyFrom(one.measured.stats(over.seconds))
        rows.append(row)
    return pb.StatTable(pod_group=pb.StatTable.PodGroup(rows=rows))


def inbound(kind: str, seen: Mapping[Way, Seen]) -> list[insight.InboundRow]:
    """Our own rows: by Server and route, whatever the authorization was."""
    merged: dict[tuple[names.Key, tuple[str, str], tuple[str, str]], Seen] = {}
    for at, one in seen.items():
        into = merged.setdefault((at.subject, at.server, at.route), Seen())
        into.measured.add(one.measured)
        into.denied += one.denied
    return [
        insight.InboundRow(
            subject=insight.Subject(namespace=subject.namespace, kind=kind, name=subject.name),
            server=f"default:{server[1]}" if server[0] == "default" else server[1],
            route=route[1],
            type=(route[0] or "default").lower(),
            golden=one.measured.message(),
            denied_rps=one.denied,
        )
        for (subject, server, route), one in sorted(merged.items(), key=str)
        if one.measured.rps > 0 or one.denied > 0
    ]


def _order(at: Way) -> tuple[str, ...]:
    return (str(at.subject), *at.server, *at.route, *at.authz)
