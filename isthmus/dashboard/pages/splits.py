"""Traffic splits as they are meant and as they are. In: routes and TrafficSplits, Services, requests by backend. Out: `Splits`.

Who has the word among several objects is said by `isthmus.split`. Never here: who is asked, what is written (see `dashboard.writer`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from isthmus import names, route, split, workload
from isthmus.dashboard import shapes, shapes_more
from isthmus.dashboard.pages import common, links
from isthmus.errors import BadValue
from isthmus.kube import crds
from isthmus.rpc import insight_pb2

Doc = Mapping[str, Any]
TRAFFIC_SPLIT = ("split.smi-spec.io", "TrafficSplit")
VERSIONS = {
    "policy.linkerd.io": "policy.linkerd.io/v1beta3",
    "gateway.networking.k8s.io": "gateway.networking.k8s.io/v1",
    "split.smi-spec.io": "split.smi-spec.io/v1alpha2",
}
RULES = 64
"""Rules of one route that are shown; a route may have 16."""


@dataclass(frozen=True, slots=True)
class Held:
    """An object that may split: its API group, its kind, itself."""

    group: str
    kind: str
    obj: crds.Custom


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cluster answered. `services` maps each Service to the cluster it mirrors, "" for its own."""

    held: Sequence[Held] = ()
    services: Mapping[names.Key, str] | None = None
    outbound: Sequence[insight_pb2.OutboundRow] = ()
    context: str = ""


def splits(seen: Mapping[str, Seen], query: common.Query, head: shapes.Head, *, writable: bool) -> shapes_more.Splits:
    """A row for each rule that names backends; `writable` is false where this viewer may not write at all."""
    rows: list[shapes_more.Split] = []
    for cluster, one in seen.items():
        claims = _claims(one.held)
        for held in one.held:
            if query.namespace in ("", workload.key_of(held.obj.metadata).namespace):
                rows += _of(cluster, one, held, claims, writable=writable)
    return shapes_more.Splits(head, sorted(rows, key=lambda r: (r.service.namespace, r.service.name, r.id)))


def _claims(held: Sequence[Held]) -> split.Claims:
    """Who has the word, as the policy plane would find it."""
    claims = split.Claims()
    for one in held:
        try:
            if one.kind == TRAFFIC_SPLIT[1]:
                claims.put_split(split.parse(one.obj.metadata, one.obj.spec))
            else:
                claims.put_route(route.parse(one.group, one.kind, one.obj.metadata, one.obj.spec))
        except BadValue:
            continue  # what cannot be read has no word; `_of` says so in its row
    return claims


def _of(cluster: str, seen: Seen, held: Held, claims: split.Claims, *, writable: bool) -> list[shapes_more.Split]:
    try:
        if held.kind == TRAFFIC_SPLIT[1]:
            return [_traffic_split(cluster, seen, held, claims, writable=writable)]
        read = route.parse(held.group, held.kind, held.obj.metadata, held.obj.spec)
    except BadValue as bad:
        return [_unreadable(cluster, held, bad)]
    rows: list[shapes_more.Split] = []
    for parent in read.parents:
        if not parent.service:
            continue
        for number, rule in enumerate(read.rules[:RULES]):
            if rule.backends:
                rows.append(_rule(cluster, seen, held, read, parent, number, claims, writable=writable))
    return rows


def _rule(
    cluster: str,
    seen: Seen,
    held: Held,
    read: route.Route,
    parent: route.Parent,
    number: int,
    claims: split.Claims,
    *,
    writable: bool,
) -> shapes_more.Split:
    rule = read.rules[number]
    ruling = claims.routes(parent.key, parent.port or 0, read.key.namespace, read.kind)
    rules = any(r.id == read.id for r in ruling) or parent.port is None
    says = "" if rules else "another route of the client's namespace has the word"
    arms = [(b.key, b.port, b.weight) for b in rule.backends if b.service]
    plain = len(arms) == len(rule.backends)
    return _split(
        cluster, seen, held, parent.key, number, arms,
        matches=_matches(rule), rules=rules, writable=writable and plain,
        says=says or ("" if plain else "it names backends that are no Services: they are not shown"),
    )  # fmt: skip


def _traffic_split(cluster: str, seen: Seen, held: Held, claims: split.Claims, *, writable: bool) -> shapes_more.Split:
    read = split.parse(held.obj.metadata, held.obj.spec)
    ports = _routed(seen.held, claims, read.root)
    ruling = claims.split(read.root)
    oldest = ruling is not None and ruling.key == read.key
    rules = oldest and None not in ports
    says = "" if oldest else "an older TrafficSplit has the word"
    if ports:
        says = "a route has the word" + (
            "" if None in ports else f" on port {', '.join(map(str, sorted(filter(None, ports))))}"
        )
    arms = [(key, None, weight) for key, weight in read.backends]
    return _split(
        cluster, seen, held, read.root, 0, arms, matches="all requests", rules=rules, writable=writable, says=says
    )


def _routed(held: Sequence[Held], claims: split.Claims, root: names.Key) -> frozenset[int | None]:
    """The ports of a Service for which routes of its own namespace speak; None stands for all."""
    parsed = [claims.get((one.group, one.kind, workload.key_of(one.obj.metadata))) for one in held]
    own = [r for r in parsed if r is not None and r.rules and r.key.namespace == root.namespace]
    return frozenset(p.port for r in own for p in r.parents if p.service and p.key == root)


def _split(
    cluster: str,
    seen: Seen,
    held: Held,
    root: names.Key,
    number: int,
    arms: Sequence[tuple[names.Key, int | None, int]],
    *,
    matches: str,
    rules: bool,
    writable: bool,
    says: str,
) -> shapes_more.Split:
    at = workload.key_of(held.obj.metadata)
    version = (held.obj.metadata.resourceVersion if held.obj.metadata else None) or ""
    return shapes_more.Split(
        id=ident(cluster, held, number),
        cluster=cluster,
        service=shapes.Subject(cluster, root.namespace, "service", root.name),
        api_version=VERSIONS[held.group],
        kind=cast("Any", held.kind),
        namespace=at.namespace,
        name=at.name,
        rule=number,
        matches=matches,
        version=version,
        backends=_backends(cluster, seen, at, root, arms),
        rules=rules,
        writable=writable,
        says=says,
        command=command(seen.context, held.group, held.kind, at),
    )


def ident(cluster: str, held: Held, rule: int) -> str:
    """How a change names a split; see `writer.Target`."""
    at = workload.key_of(held.obj.metadata)
    return f"{cluster}|{held.group}|{held.kind}|{at.namespace}|{at.name}|{rule}"


def command(context: str, group: str, kind: str, at: names.Key) -> str:
    """How the object is looked at by hand."""
    flag = f" --context {context}" if context else ""
    return f"kubectl{flag} -n {at.namespace} get {kind.lower()}s.{group} {at.name} -o yaml"


def _backends(
    cluster: str, seen: Seen, at: names.Key, root: names.Key, arms: Sequence[tuple[names.Key, int | None, int]]
) -> list[shapes_more.Backend]:
    total = sum(weight for _, _, weight in arms)
    measured = _measured(seen.outbound, root, at.name)
    asked = sum(g.rps for g in measured.values())
    known = seen.services or {}
    return [
        shapes_more.Backend(
            namespace=key.namespace,
            name=key.name,
            port=port,
            weight=weight,
            intended=common.number(weight / total) if total else None,
            measured=common.number((measured[key].rps if key in measured else 0.0) / asked) if asked else None,
            golden=measured.get(key),
            exists=key in known,
            link=common.link(cluster, known.get(key, "")),
        )
        for key, port, weight in arms
    ]


def _measured(rows: Sequence[insight_pb2.OutboundRow], root: names.Key, name: str) -> Mapping[names.Key, shapes.Golden]:
    """What each backend was asked, by all clients together, under the route of that name."""
    found: dict[names.Key, list[shapes.Golden]] = {}
    for row in rows:
        if row.backend and links.key_of(row.service) == root and row.route in ("", name):
            found.setdefault(links.key_of(row.backend), []).append(common.golden(row.golden))
    return {key: common.summed(parts) for key, parts in found.items()}


def _matches(rule: route.Rule) -> str:
    """A rule's matches in words."""
    said: list[str] = []
    for match in rule.matches:
        parts = [match.method] if match.method else []
        if match.path and match.path != ("prefix", "/"):
            parts.append(f"path {'' if match.path[0] == 'exact' else match.path[0] + ' '}{match.path[1]}")
        parts += [f"header {v.name}: {v.value}" for v in match.headers] + [
            f"query {v.name}={v.value}" for v in match.query
        ]
        if any(match.rpc):
            parts.append("/".join(filter(None, match.rpc)))
        said.append(" and ".join(parts) or "all requests")
    return " or ".join(said) or "all requests"


def _unreadable(cluster: str, held: Held, bad: BadValue) -> shapes_more.Split:
    at = workload.key_of(held.obj.metadata)
    return shapes_more.Split(
        id=ident(cluster, held, 0),
        cluster=cluster,
        service=shapes.Subject(cluster, at.namespace, "service", ""),
        api_version=VERSIONS[held.group],
        kind=cast("Any", held.kind),
        namespace=at.namespace,
        name=at.name,
        rule=0,
        matches="",
        version="",
        backends=[],
        rules=False,
        writable=False,
        says=f"it cannot be read: {bad.sentence}",
        command="",
    )
