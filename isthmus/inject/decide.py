"""Is this pod injected, and with which settings? In: a pod (or template) as a document, its namespace's annotations. Out: values.

Pure. A pod's annotation wins over its namespace's, which wins over the control plane's values.
Never here: containers (see `parts`), I/O.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isthmus import knobs, names, units
from isthmus.errors import BadValue
from isthmus.inject import shape

Doc = dict[str, Any]

ENABLED, INGRESS, DISABLED = "enabled", "ingress", "disabled"
PROXY = "linkerd-proxy"
INIT = "linkerd-init"
SKIPS: dict[str, str] = {
    "injection_enable_annotation_absent": f'neither it nor its namespace is annotated {names.INJECT}: "{ENABLED}"',
    "injection_disable_annotation_present": f'it or its namespace is annotated {names.INJECT}: "{DISABLED}"',
    "invalid_inject_annotation_at_workload": f'its annotation {names.INJECT} is none of "{ENABLED}", "{INGRESS}", "{DISABLED}"',
    "invalid_inject_annotation_at_ns": f'its namespace\'s annotation {names.INJECT} is none of "{ENABLED}", "{INGRESS}", "{DISABLED}"',
    "host_network_enabled": "hostNetwork is on: redirecting its traffic would redirect the node's",
    "sidecar_already_exists": "it has a proxy already",
    "unsupported_resource": "this kind of object has no pods",
}
"""Why a pod is left alone: Linkerd's word for it -> a sentence that follows "not injected: "."""

_OTHER_MESHES = ("istio-proxy",)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`mode` is "enabled" or "ingress", or "" with the `skip` key that says why not. `at` says whose annotation decided."""

    mode: str = ""
    skip: str = ""
    at: str = ""


def verdict(pod: Mapping[str, Any], namespace: Mapping[str, str]) -> Verdict:
    """Whether to inject `pod` (metadata and spec) in a namespace with these annotations."""
    own = annotations_of(pod).get(names.INJECT)
    asked, at = (own, "workload") if own is not None else (namespace.get(names.INJECT), "namespace")
    if asked is None:
        return Verdict(skip="injection_enable_annotation_absent")
    if asked == DISABLED:
        return Verdict(skip="injection_disable_annotation_present", at=at)
    if asked not in (ENABLED, INGRESS):
        return Verdict(skip=f"invalid_inject_annotation_at_{'workload' if at == 'workload' else 'ns'}", at=at)
    spec = shape.part(pod, "spec")
    if spec.get("hostNetwork"):
        return Verdict(skip="host_network_enabled", at=at)
    if has_sidecar(spec):
        return Verdict(skip="sidecar_already_exists", at=at)
    return Verdict(mode=asked, at=at)


def checked_mode(annotations: Mapping[str, str], where: str) -> str | None:
    """What the inject annotation says, None where there is none.

    Raises:
        BadValue: it says neither "enabled" nor "ingress" nor "disabled".
    """
    said = annotations.get(names.INJECT)
    if said not in (None, ENABLED, INGRESS, DISABLED):
        raise BadValue(f"annotation {names.INJECT} on {where}", said, f'{names.INJECT}: "{ENABLED}"')
    return said


def has_sidecar(spec: Mapping[str, Any]) -> bool:
    """Whether a pod holds a proxy of ours or of another mesh."""
    everyone = [*shape.rows(spec, "containers"), *shape.rows(spec, "initContainers")]
    return any(c.get("name") == PROXY or c.get("name") in _OTHER_MESHES for c in everyone)


def udp_ports(spec: Mapping[str, Any]) -> list[int]:
    """Ports whose traffic no proxy sees: a warning of the command line."""
    return [
        p["containerPort"]
        for c in shape.rows(spec, "containers")
        for p in shape.rows(c, "ports")
        if p.get("protocol") == "UDP"
    ]


def settings(
    pod: Mapping[str, Any], namespace: Mapping[str, str], base: knobs.Settings, *, pod_name: str, namespace_name: str
) -> knobs.Settings:
    """`base` under the namespace's annotations under the pod's.

    Raises:
        BadValue: a setting's annotation holds what its reader refuses; it names the annotation and the object.
    """
    ports = named_ports(shape.part(pod, "spec"))
    inherited = _texts(namespace, ports, inherits=True)
    own = _texts(annotations_of(pod), ports)
    under = knobs.overlay(base, inherited, f"(annotation on Namespace {namespace_name})")
    return knobs.overlay(under, own, f"(annotation on {pod_name})")


def inherited(pod: Mapping[str, Any], namespace: Mapping[str, str]) -> dict[str, str]:
    """The namespace's settings that an injected pod takes over as annotations of its own, so that they can be read there."""
    own = annotations_of(pod)
    found: dict[str, str] = {}
    for key, row in knobs.FIELDS.items():
        for name in knobs.annotations(key):
            if row.metadata["inherits"] and name in namespace and name not in own:
                found[name] = namespace[name]
    return found


def opaque_ports(
    annotations: Mapping[str, str], namespace: Mapping[str, str], declared: set[int], defaults: str
) -> str | None:
    """The opaque-ports annotation an object without one should carry: its namespace's, else the defaults it declares; None: leave it."""
    if names.OPAQUE_PORTS_ANNOTATION in annotations:
        return None
    if names.OPAQUE_PORTS_ANNOTATION in namespace:
        return namespace[names.OPAQUE_PORTS_ANNOTATION]
    listed = [port for port in defaults.split(",") if port.isdigit() and int(port) in declared]
    return ",".join(listed) or None


def tappable(annotations: Mapping[str, str]) -> bool:
    """Whether a pod or namespace with these annotations lets itself be tapped.

    Raises:
        BadValue: the annotation that says so holds neither true nor false.
    """
    said = annotations.get(names.TAP_DISABLED)
    return said is None or not units.flag(said, key=f"annotation {names.TAP_DISABLED}")


def annotations_of(obj: Mapping[str, Any]) -> Mapping[str, str]:
    """An object's annotations; a missing or empty map reads the same."""
    return shape.texts(obj, "metadata", "annotations")


def named_ports(spec: Mapping[str, Any]) -> dict[str, int]:
    """Port name -> number, of a pod's containers."""
    return {
        p["name"]: p["containerPort"]
        for c in shape.rows(spec, "containers")
        for p in shape.rows(c, "ports")
        if p.get("name")
    }


def declared_ports(spec: Mapping[str, Any]) -> set[int]:
    """TCP ports a pod's containers declare."""
    ports = [p for c in shape.rows(spec, "containers") for p in shape.rows(c, "ports")]
    return {p["containerPort"] for p in ports if p.get("protocol", "TCP") == "TCP"}


def _texts(annotations: Mapping[str, str], ports: Mapping[str, int], *, inherits: bool = False) -> dict[str, str]:
    """The settings among `annotations`, key -> text; port names in lists become numbers. Unknown keys are none (see `knobs.complaints`)."""
    found: dict[str, str] = {}
    for key, row in knobs.FIELDS.items():
        if inherits and not row.metadata["inherits"]:
            continue
        for name in reversed(knobs.annotations(key)):
            if name in annotations:
                text = annotations[name]
                found[key] = (
                    ",".join(str(ports.get(p.strip(), p)) for p in text.split(",")) if key.endswith("-ports") else text
                )
    return found
