"""One workload. In: its rows, its cluster's graph and policy, its pods. Out: `Workload`. Never here: who is asked."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lightkube.resources.core_v1 import Pod

from isthmus import names, workload
from isthmus.dashboard import shapes
from isthmus.dashboard.pages import common, permissions, tables
from isthmus.kube import crds
from isthmus.rpc import insight_pb2

SOON = 3600.0
"""Seconds of a certificate's life below which it is told: proxies renew long before."""
_EXPIRES = re.compile(r"^control_identity_cert_expiration_timestamp_seconds(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_NAME = "LINKERD2_PROXY_IDENTITY_LOCAL_NAME"


@dataclass(frozen=True, slots=True)
class Seen:
    """What its cluster answered. `proxies` are metrics pages by pod; of a big workload only some are asked."""

    rows: Sequence[tables.Row] = ()
    pod_rows: Sequence[tables.Row] = ()
    graph: insight_pb2.GraphResponse = field(default_factory=insight_pb2.GraphResponse)
    outbound: Sequence[insight_pb2.OutboundRow] = ()
    points: Sequence[insight_pb2.Point] = ()
    policy: permissions.Seen = field(default_factory=permissions.Seen)
    pods: Sequence[Pod] = ()
    proxies: Mapping[str, str] = field(default_factory=dict[str, str])
    links: Sequence[crds.Link] = ()


def workload_page(seen: Seen, query: common.Query, now: float, head: shapes.Head) -> shapes.Workload:
    """Everything about the subject of `query`."""
    subject = shapes.Subject(query.cluster, query.namespace, query.kind, query.name)
    row = next((r for r in seen.rows if r.resource.name == query.name), None)
    pods = [p for p in seen.pods if of(p, query)]
    own = {workload.key_of(p.metadata).name for p in pods}
    labels = [workload.labels_of(p.metadata) for p in pods]
    return shapes.Workload(
        head=head,
        subject=subject,
        found=row is not None or bool(pods),
        golden=common.counted(row.stats, query.seconds) if row is not None else shapes.Golden(),
        spark=common.spark(seen.points),
        meshed=row.meshed_pod_count if row is not None else 0,
        pods=row.running_pod_count if row is not None else 0,
        upstream=_peers(seen.graph, subject, upstream=True),
        downstream=_peers(seen.graph, subject, upstream=False),
        routes=_routes(seen, query),
        rules=permissions.rules(seen.policy, labels, subject) if query.kind != "service" else [],
        certificates=[certificate(p, seen.proxies.get(workload.key_of(p.metadata).name), now) for p in pods if _env(p)],
        pod_rows=[
            tables.row(query.cluster, r, "pod", query.seconds, {}) for r in seen.pod_rows if r.resource.name in own
        ],
    )


def of(pod: Pod, query: common.Query) -> bool:
    """Whether a pod belongs to the subject."""
    key = workload.key_of(pod.metadata)
    if query.kind == "pod":
        return key == names.Key(query.namespace, query.name)
    return workload.pod(pod, frozenset()).owner == (query.kind, query.name)


def _peers(graph: insight_pb2.GraphResponse, subject: shapes.Subject, *, upstream: bool) -> list[shapes.Peer]:
    """Who calls the subject, or whom it calls; busiest first."""
    found: list[shapes.Peer] = []
    for edge in graph.edges:
        own, other = (edge.target, edge.source) if upstream else (edge.source, edge.target)
        if common.subject(subject.cluster, own) != subject:
            continue
        peer = common.subject(subject.cluster, other)
        ends = (peer.cluster, subject.cluster) if upstream else (subject.cluster, peer.cluster)
        found.append(
            shapes.Peer(
                subject=peer,
                service=edge.service,
                golden=common.golden(edge.golden),
                secured=common.number(edge.secured) if edge.HasField("secured") else None,
                identity=edge.server_id,
                denied_rps=common.number(edge.denied_rps),
                tcp_connections=common.number(edge.tcp_connections),
                link=common.link(*ends),
            )
        )
    return sorted(found, key=lambda p: -p.golden.rps)


def _routes(seen: Seen, query: common.Query) -> list[shapes.RouteRow]:
    inbound = [
        shapes.RouteRow(
            "inbound", r.server, "", r.route, r.type, "", None, common.golden(r.golden), common.number(r.denied_rps)
        )
        for r in seen.policy.inbound
        if (r.subject.namespace, r.subject.kind, r.subject.name) == (query.namespace, query.kind, query.name)
    ]
    outbound = [
        shapes.RouteRow(
            side="outbound",
            server="",
            service=r.service,
            route=r.route,
            type=r.type,
            backend=r.backend,
            weight=r.weight if r.HasField("weight") else None,
            golden=common.golden(r.golden),
            timeouts_per_second=common.number(r.timeouts_per_second),
            retries_per_second=common.number(r.retries_per_second),
        )
        for r in seen.outbound
        if (r.subject.namespace, r.subject.kind, r.subject.name) == (query.namespace, query.kind, query.name)
    ]
    return [*inbound, *outbound]


def certificate(pod: Pod, page: str | None, now: float) -> shapes.Certificate:
    """What a proxy says of its certificate; `page` None where it was not asked or did not answer."""
    key = workload.key_of(pod.metadata)
    account = (pod.spec.serviceAccountName if pod.spec else None) or "default"
    identity = _env(pod).replace("$(_pod_sa)", account).replace("$(_pod_ns)", key.namespace)
    found = _EXPIRES.search(page or "")
    if not found:
        return shapes.Certificate(key.name, identity, None, "unknown", "its proxy was not asked, or did not answer")
    expires = float(found[1])
    left = expires - now
    if left <= 0:
        return shapes.Certificate(key.name, identity, expires, "fail", "its certificate has ended")
    return shapes.Certificate(key.name, identity, expires, "warn" if left < SOON else "ok", f"ends in {hours(left)}")


def hours(seconds: float) -> str:
    """A time left, as people say it."""
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _env(pod: Pod) -> str:
    """The identity a proxy is told to have; "" without a proxy."""
    spec = pod.spec
    containers = [*(spec.initContainers or ()), *spec.containers] if spec else []
    return next((e.value or "" for c in containers for e in c.env or () if e.name == _NAME), "")
