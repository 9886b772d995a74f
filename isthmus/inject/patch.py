"""Put the proxy into a pod, take it out, and say the difference as a JSON patch. In: documents. Out: new documents, never changed ones.

Pure; the webhook, `isthmus inject --manual` and `isthmus install` all call `injected`.
Never here: whether to inject (see `decide`), which objects hold pods (see `documents`).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import isthmus
from isthmus import knobs, names
from isthmus.inject import decide, env, parts, shape
from isthmus.inject import mesh as meshes

Doc = dict[str, Any]

PROXY_VERSION = "linkerd.io/proxy-version"
ANCHORS_DIGEST = "linkerd.io/trust-root-sha256"
WORKLOAD_NS_LABEL = "linkerd.io/workload-ns"
OWNER_LABEL = "linkerd.io/proxy-"
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_OWNERS = frozenset({"deployment", "replicaset", "daemonset", "statefulset", "job", "cronjob", "replicationcontroller"})


@dataclass(frozen=True, slots=True)
class Owner:
    """The workload a pod belongs to, as its labels and metrics name it; `kind` in lower case."""

    kind: str = ""
    name: str = ""


def owner_of(pod: Mapping[str, Any]) -> Owner:
    """The workload that made this pod, from its owner references.

    A ReplicaSet a Deployment made is named `<deployment>-<hash>`, and its pods carry that hash as a label.
    """
    references = [o for o in shape.rows(pod, "metadata", "ownerReferences") if o.get("controller")]
    if not references:
        return Owner("pod", shape.text(pod, "metadata", "name"))
    kind, name = str(references[0]["kind"]).lower(), str(references[0]["name"])
    made = shape.text(pod, "metadata", "labels", "pod-template-hash")
    if kind == "replicaset" and made and name.endswith(f"-{made}"):
        return Owner("deployment", name.removesuffix(f"-{made}"))
    return Owner(kind, name)


def injected(
    pod: Mapping[str, Any],
    mesh: meshes.Mesh,
    chosen: knobs.Settings,
    *,
    namespace: str,
    owner: Owner | None = None,
    ingress: bool = False,
    local: frozenset[str] = frozenset(),
    inherited: Mapping[str, str] | None = None,
    tap: bool = True,
    created_by: str = "proxy-injector",
) -> Doc:
    """`pod` (metadata and spec) with the proxy in it.

    `local` names the planes that run in this pod; `inherited` are annotations it takes over from its namespace;
    `tap` is whether that lets its pods be tapped.
    An empty `namespace` (YAML that names none) leaves its label out.
    """
    made = copy.deepcopy(dict(pod))
    spec = _map(made, "spec")
    native = chosen.proxy_enable_native_sidecar
    ports = tuple(sorted(decide.declared_ports(spec)))
    first = shape.text((shape.rows(spec, "containers") or [{}])[0], "name")
    tap = tap and mesh.tap and decide.tappable(decide.annotations_of(pod))
    facts = env.Facts(ports=ports, ingress=ingress, first_container=first, local=local, tap=tap)
    proxy = parts.proxy_container(mesh, chosen, facts, native=native)
    before = [parts.init_container(mesh, chosen), *([proxy] if native else [])]
    spec["initContainers"] = [*before, *shape.rows(spec, "initContainers")]
    if not native:
        spec["containers"] = [proxy, *shape.rows(spec, "containers")]
    spec["volumes"] = [*shape.rows(spec, "volumes"), *parts.volumes()]
    meta = _map(made, "metadata")
    _map(meta, "labels").update(_labels(mesh, namespace, owner))
    notes = _map(meta, "annotations")
    notes.update(inherited or {})
    notes[names.CREATED_BY] = f"isthmus/{created_by} {isthmus.__version__}"
    notes[PROXY_VERSION] = chosen.proxy_version or mesh.tag
    notes[ANCHORS_DIGEST] = mesh.anchors_digest
    if tap:
        notes[names.TAP_ENABLED] = "true"
    if not native:
        # The proxy stands first so that its hook holds the others back; `kubectl logs` and `exec` should still mean the application.
        notes.setdefault(DEFAULT_CONTAINER, first)
    return made


def _labels(mesh: meshes.Mesh, namespace: str, owner: Owner | None) -> dict[str, str]:
    labels = {names.CONTROL_PLANE_NS_LABEL: mesh.control_ns}
    if namespace:
        labels[WORKLOAD_NS_LABEL] = namespace
    if owner is not None and owner.kind in _OWNERS and owner.name:
        labels[OWNER_LABEL + owner.kind] = names.shorten(owner.name)
    return labels


def stripped(pod: Mapping[str, Any]) -> Doc:
    """`pod` without a proxy and without any `linkerd.io` key, except `inject: disabled`."""
    made = copy.deepcopy(dict(pod))
    spec = shape.part(made, "spec")
    for part, unwanted in (
        ("containers", {decide.PROXY}),
        ("initContainers", {decide.INIT, decide.PROXY}),
        ("volumes", set(parts.VOLUMES)),
    ):
        if part in spec:
            spec[part] = [one for one in shape.rows(spec, part) if one.get("name") not in unwanted]
            if not spec[part] and part != "containers":
                del spec[part]
    meta = shape.part(made, "metadata")
    for part in ("labels", "annotations"):
        if part not in meta:
            continue
        kept = {
            k: v
            for k, v in shape.texts(meta, part).items()
            if not _ours(k) or (k == names.INJECT and v == decide.DISABLED)
        }
        meta[part] = kept
        if not kept:
            del meta[part]
    return made


def _ours(key: str) -> bool:
    prefix = key.partition("/")[0]
    return prefix == "linkerd.io" or prefix.endswith(".linkerd.io")


def operations(before: Any, after: Any, path: str = "") -> list[Doc]:
    """The JSON patch (RFC 6902) that makes `after` of `before`. A list that changed is replaced whole."""
    if before == after:
        return []
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [{"op": "replace", "path": path, "value": after}]
    old, new = cast("Doc", before), cast("Doc", after)
    found: list[Doc] = []
    for key in old.keys() | new.keys():
        where = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in new:
            found.append({"op": "remove", "path": where})
        elif key not in old:
            found.append({"op": "add", "path": where, "value": new[key]})
        else:
            found += operations(old[key], new[key], where)
    return sorted(found, key=lambda one: one["path"])


def _map(parent: Doc, key: str) -> Doc:
    """`parent[key]` as a map; YAML may hold null there."""
    if not isinstance(parent.get(key), dict):
        parent[key] = {}
    return parent[key]
