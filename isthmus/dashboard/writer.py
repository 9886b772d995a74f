"""Write a split's weights. In: what a viewer saw and the weights they want. Out: a diff, or a changed object; a refusal as a sentence.

Only weights of backends that are there are changed, and only in the version that the viewer looked at: whoever was faster wins, and the
other is told. Written is by server-side apply, with the viewer's rights. Never here: which splits there are (see `pages.splits`).
"""

import copy
import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import yaml

from isthmus import names
from isthmus.dashboard import clusters, shapes_more
from isthmus.dashboard.pages import splits
from isthmus.errors import BadValue, IsthmusError
from isthmus.kube import client as kube

Doc = dict[str, Any]

MOST = 1_000_000
AROUND = 3
"""Lines of a diff that are shown before and after a change."""
EXAMPLE = '"east|policy.linkerd.io|HTTPRoute|demo|web|0"'


class Conflict(IsthmusError):
    """Somebody else wrote it meanwhile."""


@dataclass(frozen=True, slots=True)
class Target:
    """The object and the rule a change is about."""

    cluster: str
    group: str
    kind: str
    key: names.Key
    rule: int

    @classmethod
    def parse(cls, text: str) -> "Target":
        """What `pages.splits.ident` wrote.

        Raises:
            BadValue: it is not of that form.
        """
        parts = text.split("|")
        kinds = {("policy.linkerd.io", "HTTPRoute"), splits.TRAFFIC_SPLIT}
        kinds |= {("gateway.networking.k8s.io", kind) for kind in ("HTTPRoute", "GRPCRoute")}
        if len(parts) != 6 or (parts[1], parts[2]) not in kinds or not parts[5].isdigit() or not all(parts):
            raise BadValue("id", text[:80], EXAMPLE, why="not a split's")
        return cls(parts[0], parts[1], parts[2], names.Key(parts[3], parts[4]), int(parts[5]))

    @property
    def told(self) -> str:
        return f"{self.kind} {self.key}"

    @property
    def bare(self) -> Doc:
        """The object by its name alone."""
        meta = {"name": self.key.name, "namespace": self.key.namespace}
        return {"apiVersion": splits.VERSIONS[self.group], "kind": self.kind, "metadata": meta}


async def preview(room: clusters.Room, change: shapes_more.SplitChange) -> shapes_more.SplitPreview:
    """What writing would change, as the API server itself says.

    Raises:
        IsthmusError: it could not be written.
    """
    target = Target.parse(change.id)
    at = room.chosen(target.cluster)[0]
    found, wanted = await _wanted(at, target, change)
    after = await _sent(at, target, wanted, dry_run=True)
    lines = diff(_shown(found), _shown(after))
    return shapes_more.SplitPreview(
        change.version, any(line.sign != " " for line in lines), lines, by_hand(at.context, target, found, wanted)
    )


async def write(room: clusters.Room, change: shapes_more.SplitChange) -> shapes_more.SplitDone:
    """Carry it out.

    Raises:
        IsthmusError: it could not be written. Conflict: another was faster.
    """
    target = Target.parse(change.id)
    at = room.chosen(target.cluster)[0]
    _, wanted = await _wanted(at, target, change)
    after = await _sent(at, target, wanted, dry_run=False)
    said = ", ".join(f"{w.name} {w.weight}" for w in change.weights)
    return shapes_more.SplitDone(str(after["metadata"].get("resourceVersion") or ""), f"{target.told}: {said}")


async def _wanted(at: clusters.Cluster, target: Target, change: shapes_more.SplitChange) -> tuple[Doc, Doc]:
    """What is stored, and what shall be applied."""
    found = await at.client.get_dict(target.bare)
    if found is None:
        raise Conflict(f"{target.told} is gone from cluster {at.name!r}", hint="look at the splits again")
    return found, plan(found, target, change)


async def _sent(at: clusters.Cluster, target: Target, wanted: Doc, *, dry_run: bool) -> Doc:
    try:
        return await at.client.apply_dict(wanted, dry_run=dry_run)
    except kube.ApiError as refused:
        if refused.status == 409:
            raise _faster(target) from refused
        raise


def _faster(target: Target) -> Conflict:
    return Conflict(f"{target.told} was changed by somebody else meanwhile", hint="look at it again, then change it")


def plan(found: Doc, target: Target, change: shapes_more.SplitChange) -> Doc:
    """The document to apply: all rules as they stand, with the new weights in the one that is meant.

    Raises:
        BadValue: weights that could not hold, or for other backends than there are. Conflict: it is not the version that was looked at.
    """
    if str(found["metadata"].get("resourceVersion") or "") != change.version:
        raise _faster(target)
    field = "backends" if target.kind == "TrafficSplit" else "rules"
    part = copy.deepcopy(cast("list[Doc]", cast("Doc", found.get("spec") or {}).get(field) or []))
    for weight in change.weights:
        if not 0 <= weight.weight <= MOST:
            raise BadValue(f"the weight of {weight.name}", weight.weight, "50", why=f"from 0 to {MOST}")
    if not any(weight.weight for weight in change.weights):
        raise BadValue("the weights", "all 0", "50 and 50", why="nobody would answer")
    if target.kind == "TrafficSplit":
        _set_split(part, target, change.weights)
    else:
        _set_rule(part, target, change.weights)
    # Without the uid an object that was deleted meanwhile would be made anew, and of its rules alone.
    meta = target.bare["metadata"] | {"resourceVersion": change.version, "uid": found["metadata"].get("uid")}
    return target.bare | {"metadata": meta, "spec": {field: part}}


def _set_rule(rules: list[Doc], target: Target, weights: Sequence[shapes_more.Weight]) -> None:
    if target.rule >= len(rules):
        raise BadValue("id", target.rule, "0", why=f"{target.told} has {len(rules)} rules")
    refs = cast("list[Doc]", rules[target.rule].get("backendRefs") or [])
    at = {
        (str(r.get("namespace") or target.key.namespace), str(r.get("name")), cast("int | None", r.get("port"))): r
        for r in refs
    }
    asked = {(w.namespace or target.key.namespace, w.name, w.port): w.weight for w in weights}
    if set(at) != set(asked) or len(at) != len(refs) or len(asked) != len(weights):
        raise BadValue(
            "weights",
            ", ".join(w.name for w in weights),
            ", ".join(k[1] for k in at),
            why="not the backends there are",
        )
    for key, ref in at.items():
        ref["weight"] = asked[key]


def _set_split(backends: list[Doc], target: Target, weights: Sequence[shapes_more.Weight]) -> None:
    at = {str(b.get("service")).partition(".")[0]: b for b in backends}
    asked = {w.name: w.weight for w in weights}
    if set(at) != set(asked) or len(asked) != len(weights):
        raise BadValue("weights", ", ".join(asked), ", ".join(at), why=f"not the backends of {target.told}")
    for name, backend in at.items():
        backend["weight"] = asked[name]


def diff(before: str, after: str) -> list[shapes_more.DiffLine]:
    """The lines that change, with a few around them; gaps are shown as `...`."""
    lines: list[shapes_more.DiffLine] = []
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=AROUND, lineterm=""):
        if line in ("--- ", "+++ "):  # the heads, without names of files
            continue
        if line.startswith("@@"):
            if lines:
                lines.append(shapes_more.DiffLine(" ", "..."))
        else:
            lines.append(shapes_more.DiffLine(cast("Any", line[0]), line[1:]))
    return lines


def _shown(doc: Doc) -> str:
    """What of an object a person may have written."""
    meta = cast("Doc", doc.get("metadata") or {})
    kept = {key: meta[key] for key in ("name", "namespace") if key in meta}
    return yaml.safe_dump({"kind": doc.get("kind"), "metadata": kept, "spec": doc.get("spec")}, sort_keys=False)


def by_hand(context: str, target: Target, found: Doc, wanted: Doc) -> str:
    """The same change as a command. It names only the weights, so it can be read before it is run."""
    if target.kind == "TrafficSplit":
        was, shall, root = found["spec"]["backends"], wanted["spec"]["backends"], "/spec/backends"
    else:
        was, shall = (doc["spec"]["rules"][target.rule]["backendRefs"] for doc in (found, wanted))
        root = f"/spec/rules/{target.rule}/backendRefs"
    patch = [
        {"op": "add", "path": f"{root}/{n}/weight", "value": new["weight"]}
        for n, (old, new) in enumerate(zip(was, shall, strict=True))
        if old.get("weight") != new["weight"]
    ]
    flag = f" --context {context}" if context else ""
    resource = f"{target.kind.lower()}s.{target.group}"
    return f"kubectl{flag} -n {target.key.namespace} patch {resource} {target.key.name} --type=json -p '{json.dumps(patch)}'"
