"""What became of a route, told in its own status. In: routes as Kubernetes holds them, the world. Out: the `parents` each should show.

A route counts for our own answers as soon as it parses and its parent exists; its status follows, for people and other tools.
Entries of other controllers are kept as they are. Never here: I/O (see `run`), or TrafficSplits, which have no status.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from isthmus import names, route, workload
from isthmus.errors import BadValue
from isthmus.kube import crds
from isthmus.policy import world

CONTROLLER = "linkerd.io/policy-controller"
_FIELDS = ("group", "kind", "namespace", "name", "sectionName", "port")

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One condition: `reason` is a word, `message` a sentence."""

    good: bool
    reason: str
    message: str = ""


def wanted(known: world.World, group: str, kind: str, obj: crds.Custom, now: str) -> list[Entry] | None:
    """The whole `status.parents` a route should show, or None where it shows it. `now` as Kubernetes writes times."""
    home = workload.key_of(obj.metadata)
    shown = [dict(e) for e in cast("Sequence[Mapping[str, Any]]", obj.status.get("parents") or ())]
    ours = [e for e in shown if e.get("controllerName") == CONTROLLER]
    generation = (obj.metadata.generation if obj.metadata else None) or 0
    resolved = _resolved(known, group, kind, obj)
    refs = cast("Sequence[Mapping[str, Any]]", obj.spec.get("parentRefs") or ())
    made: list[Entry] = []
    for ref, parent in zip(refs, route.parents(group, home.namespace, obj.spec), strict=True):
        if not (parent.service or parent.server):
            continue
        facts = {
            "Accepted": _accepted(known, parent, resolved),
            "ResolvedRefs": resolved or Verdict(good=True, reason="ResolvedRefs"),
        }
        if isinstance(resolved, Verdict) and resolved.reason == "UnsupportedValue":
            facts.pop("ResolvedRefs")
        said = {field: ref[field] for field in _FIELDS if ref.get(field) is not None}
        before = next((e for e in ours if e.get("parentRef") == said), dict[str, Any]())
        conditions = [_condition(word, v, generation, before, now) for word, v in facts.items()]
        made.append({"parentRef": said, "controllerName": CONTROLLER, "conditions": conditions})
    if made == ours:
        return None
    return [*(e for e in shown if e.get("controllerName") != CONTROLLER), *made]


def _accepted(known: world.World, parent: route.Parent, resolved: Verdict | None) -> Verdict:
    if resolved is not None and resolved.reason == "UnsupportedValue":
        return resolved
    if parent.server:
        found = known.servers.get(parent.key) is not None
    else:
        service = known.services.get(parent.key)
        found = service is not None and (parent.port is None or service.port(parent.port) is not None)
    if found:
        return Verdict(good=True, reason="Accepted")
    port = f" with port {parent.port}" if parent.port else ""
    return Verdict(good=False, reason="NoMatchingParent", message=f"there is no {parent.kind} {parent.key}{port}")


def _resolved(known: world.World, group: str, kind: str, obj: crds.Custom) -> Verdict | None:
    """What is wrong with a route's backends, or with the whole of it; None when nothing is."""
    try:
        parsed = route.parse(group, kind, obj.metadata, obj.spec)
    except BadValue as bad:
        return Verdict(good=False, reason="UnsupportedValue", message=f"{bad.sentence}; {bad.hint}")
    for backend in (b for rule in parsed.rules for b in rule.backends):
        if not backend.service:
            return Verdict(
                good=False, reason="InvalidKind", message=f"{backend.kind} is no kind of backend; name a Service"
            )
        if backend.port is None:
            return Verdict(
                good=False, reason="BackendNotFound", message=f"the reference to Service {backend.key} has no port"
            )
        if backend.key not in known.services:
            return Verdict(good=False, reason="BackendNotFound", message=f"there is no Service {backend.key}")
    return None


def _condition(word: str, verdict: Verdict, generation: int, before: Mapping[str, Any], now: str) -> Entry:
    """One condition; its time is that of its last change."""
    status = "True" if verdict.good else "False"
    listed = cast("Sequence[Mapping[str, Any]]", before.get("conditions") or ())
    old = next((c for c in listed if c.get("type") == word), dict[str, Any]())
    since = old.get("lastTransitionTime") if old.get("status") == status else now
    return {
        "type": word,
        "status": status,
        "reason": verdict.reason,
        "message": verdict.message,
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
    }


def patch(obj: crds.Custom, parents: list[Entry]) -> dict[str, Any]:
    """A merge patch of the status that fails where somebody wrote in between."""
    version = obj.metadata.resourceVersion if obj.metadata else None
    return {"metadata": {"resourceVersion": version}, "status": {"parents": parents}}


def place(obj: crds.Custom) -> names.Key:
    """Where a route stands."""
    return workload.key_of(obj.metadata)
