"""What workloads asked others, by Service, route and backend. In: rows of outbound routes, the world. Out: our own rows. Pure.

A row without backend is the route as a whole, as the application saw it; one with a backend is what that backend answered, with the
weight that the route says today. Never here: asking.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from isthmus import names
from isthmus.rpc import insight_pb2 as insight
from isthmus.viz.answer import golden, resolve
from isthmus.viz.ask import query, samples
from isthmus.viz.cluster import world

PROTOCOLS = ("http", "grpc")
_PARENT = ("parent_kind", "parent_namespace", "parent_name", "parent_port")
_ROUTE = ("route_group", "route_kind", "route_namespace", "route_name")
_BACKEND = ("backend_kind", "backend_namespace", "backend_name", "backend_port")
_TIMEOUTS = frozenset({"REQUEST_TIMEOUT", "RESPONSE_HEADERS_TIMEOUT"})
_GROUPS = {"policy.linkerd.io": "httproute", "gateway.networking.k8s.io": "gateway/httproute"}
Place = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Way:
    """One way out: who called, which parent, which route; `backend` is () for the route as a whole."""

    subject: names.Key
    parent: Place
    route: Place
    backend: Place | tuple[()] = ()


def questions(
    handle: resolve.Handle, source: query.Source, more: Iterable[query.Match] = (), *, backends: bool = True
) -> dict[str, str]:
    """What to ask, by a word of ours. `more`: conditions on the parent."""
    found: dict[str, str] = {}
    bare = "pod" in handle.by
    for protocol in PROTOCOLS:
        family, ends = f"outbound_{protocol}_route", (f"{protocol}_status", "error")
        whole = query.Select("", (*handle.matches, *more), (*handle.by, *_PARENT, *_ROUTE), "" if bare else "route")
        found |= {
            f"{protocol} statuses": query.rate(whole.of(f"{family}_request_statuses_total", *ends), source),
            f"{protocol} took": query.rate(whole.of(f"{family}_request_duration_seconds_bucket", "le"), source),
            f"{protocol} retries": query.rate(whole.of(f"{family}_retry_requests_total"), source),
        }
        if backends:
            part = query.Select("", whole.matches, (*whole.by, *_BACKEND), "" if bare else "backend")
            found |= {
                f"{protocol} backend statuses": query.rate(
                    part.of(f"{family}_backend_response_statuses_total", *ends), source
                ),
                f"{protocol} backend took": query.rate(
                    part.of(f"{family}_backend_response_duration_seconds_bucket", "le"), source
                ),
            }
    return found


@dataclass(slots=True)
class Seen:
    """What went out by one way; rates per second."""

    measured: golden.Golden
    timeouts: float = 0.0
    retries: float = 0.0


def read(key: golden.Key[names.Key], answers: Mapping[str, Sequence[samples.Row]]) -> dict[Way, Seen]:
    """What went out, by way."""

    def whole(row: samples.Row) -> Way | None:
        at = key(row)
        return Way(at, _place(row, _PARENT), _place(row, _ROUTE)) if at is not None else None

    def part(row: samples.Row) -> Way | None:
        at = key(row)
        return Way(at, _place(row, _PARENT), _place(row, _ROUTE), _place(row, _BACKEND)) if at is not None else None

    found: dict[Way, Seen] = {}
    for protocol in PROTOCOLS:
        for way, said, took in ((whole, "statuses", "took"), (part, "backend statuses", "backend took")):
            statuses = answers.get(f"{protocol} {said}", ())
            for at, one in golden.gather(way, statuses, answers.get(f"{protocol} {took}", ()), scale=1000.0).items():
                found[at] = Seen(one)
            for row in statuses:
                at = way(row)
                if at is not None and row.label("error") in _TIMEOUTS:
                    found[at].timeouts += row.value
        for row in answers.get(f"{protocol} retries", ()):
            at = whole(row)
            if at is not None and row.value > 0:
                found.setdefault(at, Seen(golden.Golden())).retries += row.value
    return {at: one for at, one in found.items() if one.measured.rps > 0 or one.retries > 0}


def rows(kind: str, seen: Mapping[Way, Seen], known: world.World) -> list[insight.OutboundRow]:
    """The table; a route's backends after it."""
    made: list[insight.OutboundRow] = []
    for at, one in sorted(seen.items(), key=lambda pair: _order(pair[0])):
        row = insight.OutboundRow(
            subject=insight.Subject(namespace=at.subject.namespace, kind=kind, name=at.subject.name),
            service=called(at.parent),
            route=at.route[3],
            type=(at.route[1] or "default").lower(),
            backend=called(at.backend) if at.backend else "",
            golden=one.measured.message(),
            timeouts_per_second=one.timeouts,
            retries_per_second=one.retries,
        )
        weight = _weight(at, known) if at.backend else None
        if weight is not None:
            row.weight = weight
        made.append(row)
    return made


def _order(at: Way) -> tuple[str, Place, Place, Place | tuple[()]]:
    return str(at.subject), at.parent, at.route, at.backend


def called(place: Place) -> str:
    """`backend-svc.demo:8888`."""
    _, namespace, name, port = place
    return f"{name}.{namespace}:{port}" if port else f"{name}.{namespace}"


def _place(row: samples.Row, labels: tuple[str, str, str, str]) -> Place:
    first, second, third, fourth = (row.label(label) for label in labels)
    return first, second, third, fourth


def _weight(at: Way, known: world.World) -> int | None:
    """What the route says of a backend, if it says one thing only."""
    group, kind, namespace, name = at.route
    word = "grpcroute" if kind == "GRPCRoute" else _GROUPS.get(group, "")
    thing = known.things[word].get(names.Key(namespace, name)) if word else None
    if thing is None or not at.backend:
        return None
    _, space, backend, port = at.backend
    found = {
        int(ref.get("weight", 1))
        for ref in _references(thing.spec or {})
        if ref.get("name") == backend
        and ref.get("namespace", namespace) == space
        and (not port or str(ref.get("port", port)) == port)
    }
    return found.pop() if len(found) == 1 else None


def _references(spec: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    for rule in cast("Iterable[Mapping[str, Any]]", spec.get("rules") or ()):
        yield from cast("Iterable[Mapping[str, Any]]", rule.get("backendRefs") or ())
