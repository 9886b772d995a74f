"""Gateways and links. In: each source's Links with their status, what its mirrors and clients measured. Out: `Links`.

Never here: who is asked, whether a gateway is dead (see `multicluster.gateway`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.resources.core_v1 import Service

from isthmus import names, workload
from isthmus.dashboard import shapes, shapes_more
from isthmus.dashboard.pages import common
from isthmus.kube import crds
from isthmus.rpc import insight_pb2

Doc = Mapping[str, Any]
_NOTHING: Doc = {}
FRESH, OLD = 60.0, 300.0
"""Seconds since a target's API server was heard of, up to which that is well, and up to which it is a warning: a quiet watch is
told of by bookmarks each minute or so."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one source answered."""

    links: Sequence[crds.Link] = ()
    measured: Sequence[insight_pb2.LinkSeries] = ()
    mirrors: Sequence[Service] = ()
    outbound: Sequence[insight_pb2.OutboundRow] = ()
    uid: str = ""


def links(seen: Mapping[str, Seen], head: shapes.Head) -> shapes_more.Links:
    """A row for each Link of each source."""
    known = common.aliases({n: s.uid for n, s in seen.items()}, {n: s.links for n, s in seen.items()})
    rows = [_row(source, one, link, known) for source, one in seen.items() for link in one.links]
    return shapes_more.Links(head, sorted(rows, key=lambda r: (r.source, r.target)))


def _row(source: str, seen: Seen, link: crds.Link, known: common.Names) -> shapes_more.LinkRow:
    cluster = str(link.spec.get("targetClusterName") or "")
    status = cast("Doc", link.status or {})
    conditions = [_condition(c) for c in _rows(status, "conditions")]
    said = {c.type: c for c in conditions}
    measured = next((m for m in seen.measured if m.cluster == cluster), insight_pb2.LinkSeries())
    alive = _alive(said, measured)
    mark, says = _verdict(said, alive)
    exported = _exported(source, seen, cluster, status)
    return shapes_more.LinkRow(
        source=source,
        target=known.of(source, cluster),
        mark=mark,
        says=says,
        alive=alive,
        services=int(cast("Doc", status.get("summary") or {}).get("mirrored") or measured.services),
        p50=_got(measured, "p50"),
        p95=_got(measured, "p95"),
        p99=_got(measured, "p99"),
        points=[
            shapes_more.LinkPoint(p.at, p.alive if p.HasField("alive") else None, _got(p, "latency_ms"))
            for p in measured.points
        ],
        addresses=[
            shapes_more.GatewayAddress(
                str(a.get("address")), str(a.get("health")), str(a.get("since") or ""), str(a.get("message") or "")
            )
            for a in _rows(status, "gateway")
        ],
        conditions=conditions,
        exported=exported,
        streams=[_stream(measured)],
        failover=_failover(seen, exported, dead=alive is False),
    )


def _rows(of: Doc, field: str) -> Sequence[Doc]:
    return cast("Sequence[Doc]", of.get(field) or ())


def _condition(said: Doc) -> shapes_more.Condition:
    fields = ("type", "status", "reason", "message", "lastTransitionTime")
    return shapes_more.Condition(*(str(said.get(field) or "") for field in fields))


def _got(said: insight_pb2.LinkSeries | insight_pb2.LinkPoint, field: str) -> float | None:
    return common.number(float(getattr(said, field))) if said.HasField(field) else None


def _alive(said: Mapping[str, shapes_more.Condition], measured: insight_pb2.LinkSeries) -> bool | None:
    """The Link's own word, which is there without Prometheus; else what was measured."""
    word = said["GatewayAlive"].status if "GatewayAlive" in said else ""
    if word in ("True", "False"):
        return word == "True"
    return measured.alive if measured.HasField("alive") else None


def _verdict(said: Mapping[str, shapes_more.Condition], alive: bool | None) -> tuple[shapes.Mark, str]:  # noqa: FBT001
    """The worst that a Link says of itself."""
    failing = [c for c in said.values() if c.status == "False"]
    if failing:
        return "fail", "; ".join(f"{c.type}: {c.message or c.reason}" for c in failing)
    if alive is None:
        return "unknown", said[
            "GatewayAlive"
        ].message if "GatewayAlive" in said else "nothing is known of its gateway yet"
    return "ok", said["GatewayAlive"].message if "GatewayAlive" in said else "its gateway answers"


def _exported(source: str, seen: Seen, cluster: str, status: Doc) -> list[shapes_more.ExportedService]:
    """The Services that come through, those in trouble too; who uses them is seen from requests."""
    mirrors = {
        workload.key_of(m.metadata): workload.annotations_of(m.metadata).get(names.REMOTE_FQ_NAME, "")
        for m in seen.mirrors
        if workload.labels_of(m.metadata).get(names.CLUSTER_NAME) == cluster
    }
    found: list[shapes_more.ExportedService] = []
    for entry in _rows(status, "mirrorServices"):
        ref, told = cast("Doc", entry.get("remoteRef") or {}), next(iter(_rows(entry, "conditions")), _NOTHING)
        local = cast("Doc", told.get("localRef") or {})
        key = names.Key(str(local.get("namespace") or ref.get("namespace") or ""), str(local.get("name") or ""))
        mirrors.pop(key, None)
        found.append(
            _service(source, seen, ref, key, ok=told.get("status") == "True", says=str(told.get("message") or ""))
        )
    for key, remote in mirrors.items():
        name, namespace = [*remote.split("."), "", ""][:2]
        found.append(_service(source, seen, {"namespace": namespace, "name": name}, key, ok=True, says=""))
    return sorted(found, key=lambda e: (e.mirrored, e.namespace, e.name))


def _service(
    source: str, seen: Seen, ref: Doc, mirror: names.Key, *, ok: bool, says: str
) -> shapes_more.ExportedService:
    rows = [r for r in seen.outbound if mirror.name and key_of(r.backend or r.service) == mirror]
    users = {common.ident(s): s for s in (common.subject(source, r.subject) for r in rows if r.golden.rps > 0)}
    return shapes_more.ExportedService(
        namespace=str(ref.get("namespace") or ""),
        name=str(ref.get("name") or ""),
        mirror=mirror.name,
        mirrored=ok,
        says=says,
        golden=common.summed(common.golden(r.golden) for r in rows) if rows else None,
        users=list(users.values()),
    )


def key_of(service: str) -> names.Key:
    """`backend-svc.demo:8888` and `backend-svc.demo.svc.cluster.local:8888` as a key."""
    name, _, rest = service.partition(":")[0].partition(".")
    return names.Key(rest.partition(".")[0], name)


def _stream(measured: insight_pb2.LinkSeries) -> shapes_more.Stream:
    name = "the target's API server"
    if not measured.HasField("target_age"):
        return shapes_more.Stream(name, None, "unknown", "its age is not measured")
    age = measured.target_age
    mark: shapes.Mark = "ok" if age < FRESH else "warn" if age < OLD else "fail"
    return shapes_more.Stream(name, common.number(age), mark, f"last heard of {age:.0f} s ago")


def _failover(seen: Seen, exported: Sequence[shapes_more.ExportedService], *, dead: bool) -> list[shapes_more.Failover]:
    """Splits that name a mirror of the link: while its gateway is dead their other backends get the requests."""
    mirrors = {names.Key(e.namespace, e.mirror) for e in exported if e.mirror}
    backends: dict[str, set[names.Key]] = {}
    for row in seen.outbound:
        if row.backend:
            backends.setdefault(row.service, set()).add(key_of(row.backend))
    found: list[shapes_more.Failover] = []
    for service, keys in sorted(backends.items()):
        if not keys & mirrors:
            continue
        others = ", ".join(sorted(k.name for k in keys - mirrors))
        if not others:
            says = "the link's mirror is its only backend: without the gateway nobody answers"
        elif dead:
            says = f"the gateway is dead: {others} should answer"
        else:
            says = f"{others} would answer if the gateway died"
        found.append(shapes_more.Failover(service, dead and bool(others), says))
    return found
