"""What the viz extension says of itself. In: a client. Out: `Viz`, whatever went wrong on the way. Never here: verdicts (see `viz`)."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from lightkube.resources.core_v1 import Pod

from isthmus import names, workload
from isthmus.errors import IsthmusError
from isthmus.inject import shape
from isthmus.kube import client as kube
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz import client as viz

TAP_SERVICE = "v1alpha1.tap.linkerd.io"
SETTLED = 60.0
"""Seconds a proxy runs before it counts as not read: several scrapes, and the time Prometheus takes to find it."""


@dataclass(frozen=True, slots=True)
class Viz:
    """The extension as it is. `error`: why the metrics API does not answer; `bad`: what it finds wrong with itself; `unread`: pods that
    Prometheus does not read; `tap`: None where the tap service is not registered, else why it is not available, "" where it is.
    """

    error: str = ""
    bad: Sequence[str] = ()
    tap: str | None = None
    unread: Sequence[str] = ()


async def gather(client: kube.Client, now: dt.datetime) -> Viz:
    """One look."""
    metrics = viz.Metrics(client)
    tap = await _tap(client)
    try:
        checked = await metrics.ask(viz.API, "SelfCheck", pb.SelfCheckRequest(), pb.SelfCheckResponse)
        bad = [one.FriendlyMessageToUser or one.CheckDescription for one in checked.results if one.Status != pb.OK]
        return Viz(bad=bad, tap=tap, unread=[] if bad else await _unread(client, metrics, now))
    except IsthmusError as refused:
        return Viz(error=refused.sentence, tap=tap)


async def _tap(client: kube.Client) -> str | None:
    try:
        found = await client.raw("GET", f"/apis/apiregistration.k8s.io/v1/apiservices/{TAP_SERVICE}")
    except kube.ApiError as refused:
        if refused.status == 404:
            return None
        return refused.sentence
    said = next((c for c in shape.rows(found, "status", "conditions") if c.get("type") == "Available"), None)
    if said is None:
        return "the API server has not looked at it yet"
    return "" if said.get("status") == "True" else str(said.get("message") or said.get("reason"))


async def _unread(client: kube.Client, metrics: viz.Metrics, now: dt.datetime) -> list[str]:
    """Meshed pods that run for a while and of which Prometheus has nothing."""
    pods = await client.list(Pod, None, names.CONTROL_PLANE_NS_LABEL)
    settled = {
        f"{pod.metadata.namespace}/{pod.metadata.name}"
        for pod in pods
        if workload.meshed(pod)
        and pod.metadata
        and pod.status
        and pod.status.phase == "Running"
        and pod.status.startTime
        if (now - pod.status.startTime).total_seconds() > SETTLED and pod.metadata.deletionTimestamp is None
    }
    if not settled:
        return []
    answer = await metrics.ask(viz.API, "ListPods", pb.ListPodsRequest(), pb.ListPodsResponse)
    read = {one.name for one in answer.pods if one.added}
    return sorted(settled - read)
