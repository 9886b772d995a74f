"""How well the control plane and the proxies are. In: the facts of `isthmus check` and its results. Out: `Health`.

Never here: checks (see `isthmus.check`), who is asked.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from isthmus import names, workload
from isthmus.check import facts, finding
from isthmus.dashboard import shapes, shapes_more

PROXY = "linkerd-proxy"


@dataclass(frozen=True, slots=True)
class Seen:
    """One cluster's facts, what checks say of them, and the Deployments of extensions that checks do not look at."""

    facts: facts.Facts
    results: Sequence[finding.Result]
    more: Sequence[Deployment] = ()


def health(seen: Mapping[str, Seen], head: shapes.Head) -> shapes_more.Health:
    """All clusters together."""
    components: list[shapes_more.Component] = []
    data_plane: list[shapes_more.DataPlane] = []
    checks: list[shapes_more.CheckRow] = []
    for cluster, one in seen.items():
        listed = {workload.key_of(d.metadata): d for d in (*one.facts.deployments.values(), *one.more)}
        components += [_component(cluster, key, d) for key, d in sorted(listed.items(), key=lambda kv: str(kv[0]))]
        data_plane += _data_plane(cluster, one.facts.meshed_pods)
        checks += [
            shapes_more.CheckRow(
                cluster,
                r.check.category,
                r.check.id,
                r.check.says,
                r.finding.verdict,
                list(r.finding.lines),
                r.check.hint if r.finding.verdict != "ok" else "",
            )
            for r in one.results
        ]
    return shapes_more.Health(head, components, data_plane, checks)


def _component(cluster: str, key: names.Key, found: Deployment) -> shapes_more.Component:
    wanted = (found.spec.replicas if found.spec else None) or 0
    ready = (found.status.readyReplicas if found.status else None) or 0
    pod = found.spec.template.spec if found.spec and found.spec.template else None
    images = [c.image or "" for c in pod.containers if c.name != PROXY] if pod else []
    version = (images[0] if images else "").rpartition(":")[2]
    mark: shapes.Mark = "ok" if ready >= wanted else "fail" if not ready else "warn"
    says = f"{ready} of {wanted} pods ready" if wanted else "scaled to nothing"
    return shapes_more.Component(cluster, key.namespace, key.name, ready, wanted, version, mark, says)


def _data_plane(cluster: str, pods: Sequence[Pod]) -> list[shapes_more.DataPlane]:
    """Proxies by namespace and version; a namespace with proxies that are not ready warns."""
    total: Counter[tuple[str, str]] = Counter()
    ready: Counter[tuple[str, str]] = Counter()
    for pod in pods:
        if (pod.status and pod.status.phase in ("Succeeded", "Failed")) or not _proxied(pod):
            continue
        at = (workload.key_of(pod.metadata).namespace, _version(pod))
        total[at] += 1
        statuses = [
            *((pod.status.containerStatuses if pod.status else None) or ()),
            *((pod.status.initContainerStatuses if pod.status else None) or ()),
        ]
        ready[at] += any(s.name == PROXY and s.ready for s in statuses)
    return [
        shapes_more.DataPlane(cluster, at[0], at[1], count, ready[at], "ok" if ready[at] == count else "warn")
        for at, count in sorted(total.items())
    ]


def _proxied(pod: Pod) -> bool:
    """The injector's own pod carries the label of meshed ones and has no proxy."""
    spec = pod.spec
    return any(c.name == PROXY for c in [*(spec.initContainers or ()), *spec.containers]) if spec else False


def _version(pod: Pod) -> str:
    told = workload.annotations_of(pod.metadata).get("linkerd.io/proxy-version")
    if told:
        return told
    spec = pod.spec
    containers = [*(spec.initContainers or ()), *spec.containers] if spec else []
    return next((c.image or "" for c in containers if c.name == PROXY), "").rpartition(":")[2]
