"""What each page asks a cluster. In: one cluster, a query. Out: what the page's pure file takes as `Seen`.

Kubernetes and metrics are asked at once. Where only metrics are away, the pages that live from objects (links, splits, policy) are shown
without numbers, and the problem is told with them. Never here: assembling (see `pages`), several clusters (see `clusters.each`).
Limit: PROXIES proxies are asked for their certificates.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, Service

from isthmus import names, workload
from isthmus.check import facts, table
from isthmus.dashboard import shapes
from isthmus.dashboard.clusters import Cluster
from isthmus.dashboard.pages import common, detail, health, links, overview, permissions, splits, tables
from isthmus.errors import IsthmusError
from isthmus.inject import mesh
from isthmus.install import core, state
from isthmus.kube import client as kube
from isthmus.kube import crds
from isthmus.rpc import insight_pb2, viz_pb2
from isthmus.viz.client import API, INSIGHT

PROXIES = 5
HISTORY, STEP = "10m", "30s"
DEFAULT_POLICY = "all-unauthenticated"
"""What the policy plane holds where neither a Server nor a pod says."""

T = TypeVar("T")
Notes = list[shapes.Problem]
"""What was missing though the page stands; the asker's own list."""


async def graph(at: Cluster, query: common.Query) -> overview.Seen:
    """For the topology; a viewer who may not see Links or policy sees it without them."""
    found, listed, uid, ruled = await asyncio.gather(
        _graph(at, query.namespace, query.window),
        _or_none(_links(at)),
        _uid(at),
        _or_none(_ruled(at, query.namespace)),
    )
    return overview.Seen(found, listed or (), uid, ruled)


async def namespaces(at: Cluster, query: common.Query) -> overview.Spaces:
    """For the table of namespaces."""
    rows, series = await asyncio.gather(_stat(at, query, "namespace"), _series(at, query, "namespace"))
    return overview.Spaces(rows, series)


async def workloads(at: Cluster, query: common.Query, kind: str) -> tables.Seen:
    """For the table of one kind."""
    rows, series = await asyncio.gather(_stat(at, query, kind, tcp=True), _series(at, query, kind))
    return tables.Seen(rows, series)


async def one(at: Cluster, query: common.Query) -> detail.Seen:
    """For the page of one workload."""
    beside = common.Query(namespace=query.namespace, window=query.window)
    rows, pod_rows, found, outbound, series = await asyncio.gather(
        _stat(at, query, query.kind),
        _stat(at, beside, "pod"),
        _graph(at, query.namespace, query.window),
        _outbound(at, query, query.kind),
        _series(at, query, query.kind),
    )
    policy, pods = await asyncio.gather(_policy(at, query, query.kind, []), at.client.list(Pod, query.namespace))
    own = [p for p in pods if detail.of(p, query)]
    return detail.Seen(
        rows=rows,
        pod_rows=pod_rows,
        graph=found,
        outbound=outbound,
        points=series[0].points if series else (),
        policy=policy,
        pods=own,
        proxies=await _proxies(at, own),
    )


async def gateways(at: Cluster, query: common.Query, notes: Notes) -> links.Seen:
    """For the page of links. Without metrics the Links' own status is what is known."""
    question = insight_pb2.LinksRequest(range=HISTORY, step=STEP)
    listed, mirrors, uid = await asyncio.gather(
        _links(at), at.client.list(Service, None, {names.MIRRORED_SERVICE: "true"}), _uid(at)
    )
    if not listed:
        return links.Seen(uid=uid)
    measured, outbound = await asyncio.gather(
        _or_noted(at, notes, at.metrics.ask(INSIGHT, "Links", question, insight_pb2.LinksResponse)),
        _or_none(_outbound(at, query, "deployment")),
    )
    return links.Seen(listed, measured.links if measured else (), mirrors, outbound or (), uid)


async def split_rules(at: Cluster, query: common.Query, notes: Notes) -> splits.Seen:
    """For the page of splits."""
    kinds = (*((kind, group, word) for kind, group, word in crds.ROUTES), (crds.TrafficSplit, *splits.TRAFFIC_SPLIT))
    lists, services, outbound = await asyncio.gather(
        asyncio.gather(*(_known(at, kind, query.namespace) for kind, _, _ in kinds)),
        at.client.list(Service),
        _or_noted(at, notes, _outbound(at, query, "deployment")),
    )
    held = [
        splits.Held(group, word, obj) for (_, group, word), listed in zip(kinds, lists, strict=True) for obj in listed
    ]
    known = {workload.key_of(s.metadata): workload.labels_of(s.metadata).get(names.CLUSTER_NAME, "") for s in services}
    return splits.Seen(held, known, outbound or (), at.context)


async def policy(at: Cluster, query: common.Query, notes: Notes) -> permissions.Seen:
    """For the page of policy."""
    seen, found = await asyncio.gather(
        _policy(at, query, "deployment", notes), _or_none(_graph(at, query.namespace, query.window))
    )
    edges = found.edges if found else ()
    return permissions.Seen(
        seen.servers, seen.policies, seen.older, seen.clients, seen.networks, seen.inbound, edges, seen.default
    )


async def well(at: Cluster, now: dt.datetime, notes: Notes) -> health.Seen:
    """For the page of health: `isthmus check --proxy`, once. A viewer who may not see all it needs sees what they may.

    Raises:
        IsthmusError: the cluster does not answer.
    """
    seen, more = await asyncio.gather(
        facts.gather(at.client, at.spaces.control, now=now, proxy=True), at.client.list(Deployment, at.spaces.viz)
    )
    if not seen.error:
        return health.Seen(seen, table.judge(table.chosen(pre=False, proxy=True), seen), more)
    own, meshed = await asyncio.gather(
        asyncio.gather(*(at.client.list(Deployment, space) for space in (at.spaces.control, at.spaces.multicluster))),
        at.client.list(Pod, None, {names.CONTROL_PLANE_NS_LABEL: at.spaces.control}),
    )
    notes.append(
        shapes.Problem(at.name, f"without checks: {seen.error}", "checks read Secrets of the control plane", "refused")
    )
    return health.Seen(facts.Facts(at.name, now, meshed_pods=meshed), (), [d for listed in own for d in listed] + more)


# What is asked of the metrics API


async def _stat(at: Cluster, query: common.Query, kind: str, *, tcp: bool = False) -> Sequence[tables.Row]:
    resource = viz_pb2.Resource(namespace="" if kind == "namespace" else query.namespace, type=kind, name=query.name)
    question = viz_pb2.StatSummaryRequest(
        selector=viz_pb2.ResourceSelection(resource=resource),
        time_window=query.window,
        none=viz_pb2.Empty(),
        tcp_stats=tcp,
    )
    said = await at.metrics.ask(API, "StatSummary", question, viz_pb2.StatSummaryResponse)
    if said.WhichOneof("response") == "error":
        raise IsthmusError(f"the metrics API of cluster {at.name!r}: {said.error.error}")
    return [row for one_table in said.ok.stat_tables for row in one_table.pod_group.rows]


async def _graph(at: Cluster, namespace: str, window: str) -> insight_pb2.GraphResponse:
    question = insight_pb2.GraphRequest(namespace=namespace, window=window)
    return await at.metrics.ask(INSIGHT, "Graph", question, insight_pb2.GraphResponse)


async def _series(at: Cluster, query: common.Query, kind: str) -> Sequence[insight_pb2.OneSeries]:
    """Sparklines; a page without them is a page still."""
    question = insight_pb2.SeriesRequest(subject=_subject(query, kind), window="1m", range=HISTORY, step=STEP)
    said = await _or_none(at.metrics.ask(INSIGHT, "Series", question, insight_pb2.SeriesResponse))
    return said.series if said else ()


async def _outbound(at: Cluster, query: common.Query, kind: str) -> Sequence[insight_pb2.OutboundRow]:
    question = insight_pb2.RowsRequest(subject=_subject(query, kind), window=query.window)
    return (await at.metrics.ask(INSIGHT, "Outbound", question, insight_pb2.OutboundResponse)).rows


async def _inbound(at: Cluster, query: common.Query, kind: str) -> Sequence[insight_pb2.InboundRow]:
    question = insight_pb2.RowsRequest(subject=_subject(query, kind), window=query.window)
    return (await at.metrics.ask(INSIGHT, "Inbound", question, insight_pb2.InboundResponse)).rows


def _subject(query: common.Query, kind: str) -> insight_pb2.Subject:
    return insight_pb2.Subject(namespace="" if kind == "namespace" else query.namespace, kind=kind, name=query.name)


# What is asked of Kubernetes


async def _policy(at: Cluster, query: common.Query, kind: str, notes: Notes) -> permissions.Seen:
    default = await _or_none(_default(at))
    servers, policies, older, clients, nets, inbound = await asyncio.gather(
        _known(at, crds.Server, query.namespace),
        _known(at, crds.AuthorizationPolicy, query.namespace),
        _known(at, crds.ServerAuthorization, query.namespace),
        _known(at, crds.MeshTLSAuthentication, ""),
        _known(at, crds.NetworkAuthentication, ""),
        _or_noted(at, notes, _inbound(at, query, kind)),
    )
    return permissions.Seen(servers, policies, older, clients, nets, inbound or (), default=default or DEFAULT_POLICY)


async def _default(at: Cluster) -> str:
    """The default policy that the control plane was installed with."""
    found = await at.client.get(ConfigMap, core.CONFIG, at.spaces.control)
    if found is None:
        return ""
    stored = mesh.stored(state.data_of(found).get("values", ""))
    return mesh.from_values(stored, "", control_ns=at.spaces.control).defaults.default_inbound_policy


async def _ruled(at: Cluster, namespace: str) -> frozenset[tuple[str, str, str]]:
    """Workloads that some Server selects; where there is no Server nothing more is asked."""
    servers = await _known(at, crds.Server, namespace)
    spaces = {workload.key_of(s.metadata).namespace for s in servers}
    found: set[tuple[str, str, str]] = set()
    for space in spaces:
        own = [s for s in servers if workload.key_of(s.metadata).namespace == space]
        for pod in await at.client.list(Pod, space):
            labels = workload.labels_of(pod.metadata)
            owner = workload.pod(pod, frozenset()).owner
            if owner and any(workload.selects(s.spec.get("podSelector"), labels) for s in own):
                found.add((space, *owner))
    return frozenset(found)


async def _links(at: Cluster) -> list[crds.Link]:
    return await _known(at, crds.Link, at.spaces.multicluster)


async def _uid(at: Cluster) -> str:
    """What tells this cluster from all others; "" for viewers who may not see it."""
    try:
        found = await at.client.get(Namespace, "kube-system")
    except kube.ApiError:
        return ""
    return (found.metadata.uid if found and found.metadata else None) or ""


async def _known(at: Cluster, kind: type[Any], namespace: str) -> list[Any]:
    """A list of a kind the cluster may not know."""
    try:
        return await at.client.list(kind, namespace or None)
    except kube.ApiError as refused:
        if refused.status == 404:
            return []
        raise


async def _or_noted(at: Cluster, notes: Notes, asked: Awaitable[T]) -> T | None:
    """As `_or_none`, and the page says what is missing."""
    try:
        return await asked
    except IsthmusError as failed:
        notes.append(shapes.Problem(at.name, f"without numbers: {failed.sentence}", failed.hint, "stale"))
        return None


async def _or_none(asked: Awaitable[T]) -> T | None:
    """What metrics add to a page of objects; the page stands without."""
    try:
        return await asked
    except IsthmusError:
        return None


async def _proxies(at: Cluster, pods: Sequence[Pod]) -> dict[str, str]:
    keys = [workload.key_of(p.metadata) for p in pods[:PROXIES]]
    path = f"/api/v1/namespaces/{{}}/pods/{{}}:{names.ADMIN_PORT}/proxy/metrics"
    pages = await asyncio.gather(*(_or_none(at.client.text(path.format(k.namespace, k.name))) for k in keys))
    return {key.name: page for key, page in zip(keys, pages, strict=True) if page}
