"""Which proxies a tap asks, and for how much each. In: facts of pods and Services, a request. Out: a `Plan`, with sentences. Pure.

A pod that is not meshed, opts out, or runs since before its mesh had taps is left out, and said. Never here: asking (see `stream`).
Limits: PODS pods a tap; SENTENCES pods named one by one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lightkube.models import core_v1

from isthmus import names, selector, workload
from isthmus.tap.ask import match, resource

PODS = 200
SENTENCES = 5
_OF_CRON = re.compile(r"^(.+)-\d+$")


@dataclass(frozen=True, slots=True)
class Pod:
    """What of a pod a tap needs. `port` is where its proxy is asked; 0 where that is not known. `mesh` is the control plane's namespace."""

    key: names.Key
    ips: tuple[str, ...]
    labels: Mapping[str, str]
    owner: tuple[str, str] | None
    account: str
    mesh: str
    running: bool
    refuses: bool
    tapped: bool
    port: int = names.CONTROL_PORT

    def identity(self, trust_domain: str) -> str:
        """The name in its proxy's certificate."""
        return names.identity(self.account, self.key.namespace, self.mesh, trust_domain)


@dataclass(frozen=True, slots=True)
class Service:
    """A Service's selector; an empty one selects nothing."""

    key: names.Key
    selector: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """`pods` are asked for `limit` requests a second each; `left_out` are sentences about the others."""

    pods: tuple[Pod, ...]
    limit: int
    left_out: tuple[str, ...] = ()


def pod(obj: core_v1.Pod) -> Pod:
    """The facts of a pod."""
    facts, notes = workload.pod(obj, frozenset()), workload.annotations_of(obj.metadata)
    return Pod(
        key=facts.key,
        ips=facts.ips if not facts.host_network else (),
        labels=facts.labels,
        owner=facts.owner,
        account=facts.account,
        mesh=facts.control_ns,
        running=facts.live,
        refuses=notes.get(names.TAP_DISABLED) == "true",
        tapped=notes.get(names.TAP_ENABLED) == "true",
        port=_port(obj),
    )


def _port(obj: core_v1.Pod) -> int:
    """Where its proxy listens for taps, as its own environment says."""
    spec = obj.spec or core_v1.PodSpec(containers=[])
    for container in [*(spec.initContainers or ()), *spec.containers]:
        for row in container.env or ():
            if row.name == "LINKERD2_PROXY_CONTROL_LISTEN_ADDR":
                text = (row.value or "").rpartition(":")[2]
                return int(text) if text.isascii() and text.isdigit() else 0
    return names.CONTROL_PORT


def why_not(one: Pod) -> str:
    """Why a pod's proxy cannot be asked; "" where it can."""
    if not one.mesh:
        return "it is not meshed"
    if one.refuses:
        return f'it says {names.TAP_DISABLED}: "true"'
    if not one.tapped:
        return "taps are off for it, or it runs since before they were on: restart it"
    if not one.running:
        return "it is not running"
    return "" if one.ips and one.port else "it has no address"


def belongs(one: Pod, target: resource.Resource, services: Mapping[names.Key, Service]) -> bool:
    """Whether a pod is the resource's."""
    if one.key.namespace != target.namespace:
        return False
    match target.kind:
        case resource.NAMESPACE:
            return True
        case "pod":
            return target.name in ("", one.key.name)
        case "service":
            wanted = [s for k, s in services.items() if k.namespace == target.namespace and target.name in ("", k.name)]
            return any(s.selector and s.selector.items() <= one.labels.items() for s in wanted)
        case "cronjob":
            made_by = _OF_CRON.match(one.owner[1]) if one.owner and one.owner[0] == "job" else None
            return made_by is not None and target.name in ("", made_by[1])
        case "replicaset" if one.owner and one.owner[0] == "deployment":
            made = f"{one.owner[1]}-{one.labels.get('pod-template-hash', '')}"
            return target.name in ("", made)
        case _:
            return one.owner is not None and one.owner[0] == target.kind and target.name in ("", one.owner[1])


def make(asked: match.Asked, pods: Iterable[Pod], services: Mapping[names.Key, Service]) -> Plan:
    """Who is asked. No pods and no sentences: there is no such resource, or it has no pods."""
    wanted = selector.read(asked.labels)
    of_target = sorted(
        (one for one in pods if belongs(one, asked.target, services) and wanted(one.labels)),
        key=lambda one: str(one.key),
    )
    reasons = [(one, why_not(one)) for one in of_target]
    fit = [one for one, why in reasons if not why]
    chosen = tuple(fit[:PODS])
    said = _sentences(
        [f"pod {one.key} is not tapped: {why}" for one, why in reasons if why and (one.running or not fit)]
    )
    if len(fit) > PODS:
        said = (*said, f"{len(fit)} pods fit; the first {PODS} by name are tapped")
    return Plan(chosen, max(1, int(asked.rps / max(1, len(chosen)))), said)


def _sentences(found: Sequence[str]) -> tuple[str, ...]:
    more = len(found) - SENTENCES
    return (*found[:SENTENCES], *([f"and {more} more pods are not tapped"] if more > 0 else []))
