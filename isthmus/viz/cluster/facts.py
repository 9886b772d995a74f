"""What a table says of a pod, read off once. In: slim pods. Out: `Pod`. Pure.

A pod's state is one word, as kubectl says it. Never here: which pods there are (see `world`).
Limits: TROUBLES sentences of TEXT characters a pod.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isthmus import names, workload
from isthmus.kube import slim

PROXY, INIT = "linkerd-proxy", "linkerd-init"
TROUBLES, TEXT = 8, 400
_VERSION = "linkerd.io/proxy-version"
_CALM = ("PodInitializing", "ContainerCreating", "Completed")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a container, in Kubernetes' words."""

    container: str
    image: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Pod:
    """`owners` are (kind, name): its controller, and the Deployment a ReplicaSet's name tells. `control_ns` is "" without a proxy."""

    key: names.Key
    ip: str
    phase: str
    status: str
    owners: tuple[tuple[str, str], ...]
    labels: Mapping[str, str]
    account: str
    control_ns: str
    component: bool
    proxy_ready: bool
    proxy_version: str
    started: float
    version: str
    ports: tuple[tuple[str, str, int], ...]
    troubles: tuple[Trouble, ...]

    @property
    def running(self) -> bool:
        return self.phase in ("Running", "Pending")

    @property
    def owner(self) -> tuple[str, str]:
        """The workload people know it by; the pod itself when it has none."""
        return self.owners[-1] if self.owners else ("pod", self.key.name)


def pod(obj: slim.Pod) -> Pod:
    """The facts of a pod."""
    meta, spec, status = obj.metadata, obj.spec or slim.PodSpec(), obj.status or slim.PodStatus()
    containers = [*(spec.initContainers or ()), *(spec.containers or ())]
    statuses = [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]
    labels = dict(workload.labels_of(meta))
    has_proxy = any(c.name == PROXY for c in containers)
    proxy = next((s for s in statuses if s.name == PROXY), None)
    return Pod(
        key=workload.key_of(meta),
        ip=status.podIP,
        phase=status.phase,
        status=_word(obj, status, statuses),
        owners=tuple(_owners(obj)),
        labels=labels,
        account=spec.serviceAccountName or "default",
        control_ns=labels.get(names.CONTROL_PLANE_NS_LABEL, "") if has_proxy else "",
        component=names.COMPONENT_LABEL in labels,
        proxy_ready=proxy is not None and proxy.ready,
        proxy_version=workload.annotations_of(meta).get(_VERSION, ""),
        started=_seconds(status.startTime),
        version=(meta.resourceVersion if meta else None) or "",
        ports=tuple((c.name, p.name, p.containerPort) for c in containers for p in c.ports or () if p.name),
        troubles=tuple(_troubles(statuses))[:TROUBLES],
    )


def _owners(obj: slim.Pod) -> Iterable[tuple[str, str]]:
    for owner in (obj.metadata.ownerReferences if obj.metadata else None) or ():
        if owner.controller:
            yield owner.kind.lower(), owner.name
            template = workload.labels_of(obj.metadata).get("pod-template-hash")
            if owner.kind == "ReplicaSet" and template and owner.name.endswith(f"-{template}"):
                yield "deployment", owner.name.removesuffix(f"-{template}")
            return


def _word(obj: slim.Pod, status: slim.PodStatus, statuses: Iterable[slim.ContainerStatus]) -> str:
    """Terminating, a container's reason to wait or to have ended, or the phase."""
    if obj.metadata is not None and obj.metadata.deletionTimestamp is not None:
        return "Terminating"
    word = status.reason or status.phase
    for one in statuses:
        why = (one.state.waiting or one.state.terminated) if one.state else None
        if why is not None and why.reason and (why.reason != "Completed" or status.phase == "Succeeded"):
            word = why.reason
    return word


def _troubles(statuses: Iterable[slim.ContainerStatus]) -> Iterable[Trouble]:
    for one in statuses:
        waits = one.state.waiting if one.state else None
        if waits is not None and waits.reason and waits.reason not in _CALM:
            before = one.lastState.terminated if one.lastState else None
            message = waits.message or (
                f"the last one ended with {before.exitCode} ({before.reason})" if before else ""
            )
            yield Trouble(one.name, one.image, waits.reason, message[:TEXT])
        ended = one.state.terminated if one.state else None
        if ended is not None and ended.exitCode:
            yield Trouble(one.name, one.image, ended.reason, (ended.message or f"exit code {ended.exitCode}")[:TEXT])


def _seconds(text: str) -> float:
    try:
        return dt.datetime.fromisoformat(text).timestamp() if text else 0.0
    except ValueError:
        return 0.0
