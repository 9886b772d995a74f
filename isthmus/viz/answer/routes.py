"""TopRoutes: golden metrics by route. In: a subject, whom it called, rows of samples. Out: Linkerd's tables. Pure.

What a workload was asked is told by its own proxies, by the routes of inbound policy. What it asked others, and what a Service was asked,
is told by callers: by the routes of service profiles (with the tries that were really sent), and by those of outbound policy.
Never here: asking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from isthmus import names
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve.refusal import Refused
from isthmus.viz.answer import authz, golden, outbound, resolve
from isthmus.viz.ask import query, samples, window
from isthmus.viz.cluster import world

DEFAULT = "[DEFAULT]"
"""Requests that no route of a profile matched, by Linkerd's word."""
_PROFILE = ("dst", "rt_route")
Row = tuple[str, str]
"""Route and authority."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask, by a word of ours, and whom a row is about. `inbound`: the workload's own proxies tell."""

    queries: Mapping[str, str]
    handle: resolve.Handle
    inbound: bool


def plan(
    subject: resolve.Subject, to: resolve.Subject | None, known: world.World, source: query.Source, domain: str
) -> Plan:
    """The questions.

    Raises:
        Refused: that kind has no routes.
    """
    kind = subject.kind.word
    if subject.kind.policy[0] or kind == "authority":
        raise Refused("invalid", f"routes are of workloads and Services, not of a {kind}")
    if to is not None and to.kind.word not in ("service", "authority"):
        raise Refused("invalid", f"routes lead to Services: --to svc/NAME, not to a {to.kind.word}")
    if to is None and kind != "service":
        handle = resolve.handle(subject, known)
        return Plan(authz.questions(handle, source), handle, inbound=True)
    target = subject if to is None else to
    handle = _callers() if to is None else resolve.handle(subject, known)
    service, parents = _services(target, known, domain), _parents(target)
    level: query.Level = "" if "pod" in handle.by else "route"
    profile = query.Select("", (*handle.matches, service), (*handle.by, *_PROFILE), level)
    queries = outbound.questions(handle, source, parents, backends=False)
    for word, family in (("effective", "route_response_total"), ("actual", "route_actual_response_total")):
        queries[word] = query.rate(profile.of(family, "classification"), source)
    queries["buckets"] = query.rate(profile.of("route_response_latency_ms_bucket", "le"), source)
    return Plan(queries, handle, inbound=False)


def _callers() -> resolve.Handle:
    """All who call, as one: rows are about the Service."""
    return resolve.Handle((), (), lambda _: names.Key("", ""))


def _services(target: resolve.Subject, known: world.World, domain: str) -> query.Match:
    """The condition on a profile's `dst`, which is `name.namespace.svc.domain:port`."""
    if target.kind.word == "authority":
        return query.Match("dst", "=", target.name) if target.name else query.there("dst")
    chosen = [names.fq_service(key.name, key.namespace, domain) for key in resolve.keys(target, known)]
    return query.Match("dst", "=~", f"({query.among('dst', chosen).value})(:[0-9]+)?")


def _parents(target: resolve.Subject) -> tuple[query.Match, ...]:
    if target.kind.word == "authority":
        return (query.equal("parent_kind", "no such"),)
    found = (query.equal("parent_kind", "Service"),)
    found += (query.equal("parent_namespace", target.namespace),) if target.namespace else ()
    return found + ((query.equal("parent_name", target.name),) if target.name else ())


def tables(
    subject: resolve.Subject,
    asked: Plan,
    answers: Mapping[str, Sequence[samples.Row]],
    over: window.Window,
    to: resolve.Subject | None = None,
) -> list[pb.RouteTable]:
    """A table for each resource."""
    found: dict[str, list[pb.RouteTable.Row]] = {}
    rows = _inbound(asked, answers, over) if asked.inbound else _outbound(asked, answers, over)
    for key, row in rows:
        name = key.name or subject.name or (to.name if to else "")
        found.setdefault(f"{subject.kind.word}/{name}" if name else subject.kind.word, []).append(row)
    return [
        pb.RouteTable(resource=resource, rows=sorted(listed, key=lambda r: (r.authority, r.route)))
        for resource, listed in sorted(found.items())
    ]


def _inbound(
    asked: Plan, answers: Mapping[str, Sequence[samples.Row]], over: window.Window
) -> Iterable[tuple[names.Key, pb.RouteTable.Row]]:
    by: dict[tuple[names.Key, str, str], golden.Golden] = {}
    for at, one in authz.read(asked.handle.key, answers).items():
        if one.measured.rps > 0:
            server = f"default:{at.server[1]}" if at.server[0] == "default" else f"server/{at.server[1]}"
            by.setdefault((at.subject, at.route[1], server), golden.Golden()).add(one.measured)
    for (subject, route, server), one in by.items():
        stats = one.stats(over.seconds)
        yield subject, pb.RouteTable.Row(route=route, authority=server, time_window=over.text, stats=stats)


def _outbound(
    asked: Plan, answers: Mapping[str, Sequence[samples.Row]], over: window.Window
) -> Iterable[tuple[names.Key, pb.RouteTable.Row]]:
    def profile(row: samples.Row) -> tuple[names.Key, Row] | None:
        at = asked.handle.key(row)
        return (at, (row.label("rt_route") or DEFAULT, row.label("dst"))) if at is not None else None

    actual = golden.gather(profile, answers["actual"])
    for at, one in golden.gather(profile, answers["effective"], answers["buckets"]).items():
        sent = actual.get(at, one)
        yield _made(at[0], at[1], one, sent, over)
    for way, seen in outbound.read(asked.handle.key, answers).items():
        sent = golden.Golden(seen.measured.success, seen.measured.failure + seen.retries)
        yield _made(way.subject, (way.route[3] or "default", outbound.called(way.parent)), seen.measured, sent, over)


def _made(
    subject: names.Key, row: Row, one: golden.Golden, sent: golden.Golden, over: window.Window
) -> tuple[names.Key, pb.RouteTable.Row]:
    stats = one.stats(over.seconds)
    stats.actual_success_count = round(sent.success * over.seconds)
    stats.actual_failure_count = round(sent.failure * over.seconds)
    return subject, pb.RouteTable.Row(route=row[0], authority=row[1], time_window=over.text, stats=stats)
