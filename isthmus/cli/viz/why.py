"""Why a table is empty, and what to do about it. In: facts of a cluster. Out: one sentence with a way on.

`reason` is pure and tells these apart: Prometheus away, no such namespace, no such resource, nothing runs, nothing is meshed, proxies so
young that they were not read twice, and no traffic. Never here: tables.
"""

import asyncio
import datetime as dt
import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from lightkube.resources.core_v1 import Namespace, Pod

from isthmus import names
from isthmus.cli.viz import ask, flags, resources, several
from isthmus.errors import IsthmusError
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz import client as viz

YOUNG = 30.0
"""Seconds after which Prometheus has read a proxy twice, which a rate needs."""
SHOWN = 5
BARE = ("service", "server", "serverauthorization", "authorizationpolicy", "httproute", "grpcroute", "authority")
"""Kinds that own no pods."""
OUTSIDE = "kube-system"
"""What Kubernetes itself needs to run does not depend on a mesh."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about an empty answer. `age`: seconds since the youngest meshed pod started, None without one.

    `there` are the names of the kind in the namespace; `ill` is what the metrics API said about Prometheus.
    """

    wanted: resources.Resource
    context: str
    space: str
    window: str
    there: Sequence[str] = ()
    running: int = 0
    meshed: int = 0
    age: float | None = None
    ill: str = ""
    lost: bool = False


def reason(seen: Facts) -> str:
    """The one sentence."""
    what, at = seen.wanted, f" --context {seen.context}"
    if seen.ill:
        return f"nothing was measured: {seen.ill}; isthmus viz check{at} says what to do"
    if seen.lost:
        return f"there is no namespace {seen.space!r}; kubectl{at} get namespaces lists them"
    where = f"in namespace {seen.space}" if seen.space else "in any namespace"
    if what.name and what.name not in seen.there:
        near = difflib.get_close_matches(what.name, seen.there, n=1) or list(seen.there[:SHOWN])
        hint = f"there is {', '.join(near)}" if near else f"there is no {what.kind} there; -n NAMESPACE, or -A for all"
        return f"there is no {what.kind} {what.name!r} {where}; {hint}"
    if not seen.there:
        return f"there is no {what.kind} {where}; other namespaces: -n NAMESPACE, or -A for all"
    if what.kind not in BARE:
        if not seen.running:
            return f"{what} {where} has no running pod; kubectl{at} get pods{_flag(seen.space)} says why"
        if not seen.meshed and seen.space == OUTSIDE:
            return f"nothing in namespace {OUTSIDE} is meshed, nor should be: the mesh leaves it alone"
        if not seen.meshed:
            mesh = f"kubectl{at} annotate namespace {seen.space or 'NAMESPACE'} {names.INJECT}=enabled"
            restart = f"kubectl{at} rollout restart{_flag(seen.space)} deploy"
            return f"{what} {where} is not meshed, and only proxies measure; to mesh: {mesh}, then {restart}"
        if seen.age is not None and seen.age < YOUNG:
            return f"{what} {where} began {seen.age:.0f} s ago; its first readings take {YOUNG:.0f} s: ask again in a moment"
    return f"no traffic of {what} {where} in the last {seen.window}; look further back with -t, or from the caller's side with --from"


def _flag(space: str) -> str:
    return f" -n {space}" if space else " -A"


async def explain(cluster: several.Cluster, wanted: resources.Resource, view: flags.View) -> str:
    """Look once at why there is nothing to show; what cannot be looked at is taken as well."""
    space = "" if wanted.kind == "namespace" else view.space(cluster.namespace)
    ill, rows, lost, age = await asyncio.gather(
        _ill(cluster), _rows(cluster, wanted, space), _lost(cluster, space), _age(cluster, space)
    )
    mine = [row for row in rows if wanted.name in ("", row.resource.name)]
    seen = Facts(
        wanted=wanted,
        context=cluster.context,
        space=space,
        window=view.window,
        there=sorted({row.resource.name for row in rows}),
        running=sum(row.running_pod_count for row in mine),
        meshed=sum(row.meshed_pod_count for row in mine),
        age=age,
        ill=ill,
        lost=lost,
    )
    return reason(seen)


async def _ill(cluster: several.Cluster) -> str:
    try:
        answer = await cluster.metrics.ask(viz.API, "SelfCheck", pb.SelfCheckRequest(), pb.SelfCheckResponse)
    except IsthmusError as refused:
        return refused.sentence
    bad = [one for one in answer.results if one.Status != pb.CheckStatus.OK]
    return "; ".join(one.FriendlyMessageToUser or one.CheckDescription for one in bad)


async def _rows(
    cluster: several.Cluster, wanted: resources.Resource, space: str
) -> Sequence[pb.StatTable.PodGroup.Row]:
    kind = ask.resource(resources.Resource(wanted.kind), space)
    try:
        return await ask.stat(cluster, pb.ResourceSelection(resource=kind), "1m", bare=True)
    except IsthmusError:
        return ()


async def _lost(cluster: several.Cluster, space: str) -> bool:
    try:
        return bool(space) and await cluster.client.get(Namespace, space) is None
    except IsthmusError:
        return False


async def _age(cluster: several.Cluster, space: str) -> float | None:
    try:
        pods = await cluster.client.list(Pod, space or None, names.CONTROL_PLANE_NS_LABEL)
    except IsthmusError:
        return None
    now = dt.datetime.now(dt.UTC)
    begun = [p.status.startTime for p in pods if p.status and p.status.startTime]
    return min(((now - at).total_seconds() for at in begun), default=None)
