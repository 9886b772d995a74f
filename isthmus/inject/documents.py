"""Inject and uninject whole Kubernetes documents, as people keep them in YAML. In: documents. Out: new documents and a report each.

Pure. By default only the annotation is set and the webhook does the rest; `manual` puts the containers in at once.
Never here: reading or writing YAML (see `isthmus.install.manifest` and the command line).
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from isthmus import knobs, names
from isthmus.inject import decide, patch, shape
from isthmus.inject import mesh as meshes

Doc = dict[str, Any]

_TEMPLATE = ("spec", "template")
TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "Deployment": _TEMPLATE,
    "DaemonSet": _TEMPLATE,
    "StatefulSet": _TEMPLATE,
    "ReplicaSet": _TEMPLATE,
    "ReplicationController": _TEMPLATE,
    "Job": _TEMPLATE,
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Kind -> where its pod template is."""


@dataclass(frozen=True, slots=True)
class Request:
    """What `isthmus inject` was asked. `notes` are annotations to set; `mesh` is given when containers go in at once."""

    mode: str = decide.ENABLED
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    mesh: meshes.Mesh | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one document. `skip` is a key of `decide.SKIPS` or empty; `warnings` are sentences."""

    name: str
    done: str = ""
    skip: str = ""
    warnings: tuple[str, ...] = ()

    def text(self) -> str:
        """One line for people."""
        said = self.done or f"skipped: {decide.SKIPS[self.skip]}"
        return "\n".join([f"{self.name} {said}", *(f"  warning: {w}" for w in self.warnings)])


def inject(doc: Doc, request: Request) -> tuple[Doc, list[Report]]:
    """The document meshed, with one report for each object in it.

    Raises:
        BadValue: an annotation in the document, or in the request, holds what cannot be read.
    """
    return _each(doc, lambda one: _inject(one, request))


def uninject(doc: Doc) -> tuple[Doc, list[Report]]:
    """The document without the mesh."""
    return _each(doc, _uninject)


def _each(doc: Doc, change: Callable[[Doc], tuple[Doc, Report]]) -> tuple[Doc, list[Report]]:
    """Lists are walked one level deep, as the API server makes them."""
    if doc.get("kind") != "List":
        made, report = change(doc)
        return made, [report]
    pairs = [change(item) for item in shape.rows(doc, "items")]
    return doc | {"items": [made for made, _ in pairs]}, [report for _, report in pairs]


def _inject(doc: Doc, request: Request) -> tuple[Doc, Report]:
    kind = str(doc.get("kind", ""))
    if kind == "Namespace":
        return _annotated(doc, request)
    if kind not in TEMPLATES:
        return doc, Report(_name(doc), skip="unsupported_resource")
    made = copy.deepcopy(doc)
    pod = patch.stripped(_template(made))
    annotations = decide.annotations_of(_template(made))
    if decide.checked_mode(annotations, _name(doc)) == decide.DISABLED:
        return doc, Report(_name(doc), skip="injection_disable_annotation_present")
    kept = {key: value for key, value in annotations.items() if key.startswith(knobs.FAMILIES)}
    pod.setdefault("metadata", {}).setdefault("annotations", {}).update(
        {**kept, names.INJECT: request.mode, **request.notes}
    )
    verdict = decide.verdict(pod, {})
    if verdict.skip:
        return doc, Report(_name(doc), skip=verdict.skip)
    udp = (f"UDP port {port} is not meshed" for port in decide.udp_ports(shape.part(pod, "spec")))
    warnings = (*udp, *knobs.complaints(kept, f"on {_name(doc)}"))
    base = request.mesh.defaults if request.mesh else knobs.Settings()
    namespace = shape.text(doc, "metadata", "namespace")
    chosen = decide.settings(pod, {}, base, pod_name=_name(doc), namespace_name=namespace)
    if request.mesh is None:
        return _with_template(made, pod), Report(_name(doc), "annotated", warnings=warnings)
    owner = patch.Owner(kind.lower(), shape.text(doc, "metadata", "name"))
    meshed = patch.injected(
        pod,
        request.mesh,
        chosen,
        namespace=namespace,
        owner=owner,
        ingress=verdict.mode == decide.INGRESS,
        created_by="cli",
    )
    return _with_template(made, meshed), Report(_name(doc), "injected", warnings=warnings)


def _uninject(doc: Doc) -> tuple[Doc, Report]:
    if doc.get("kind") == "Namespace":
        made = patch.stripped(doc)
        return made, Report(_name(doc), "cleaned")
    if doc.get("kind") not in TEMPLATES:
        return doc, Report(_name(doc), skip="unsupported_resource")
    made = copy.deepcopy(doc)
    return _with_template(made, patch.stripped(_template(made))), Report(_name(doc), "uninjected")


def _annotated(doc: Doc, request: Request) -> tuple[Doc, Report]:
    notes = decide.annotations_of(doc)
    decide.checked_mode(notes, _name(doc))
    made = copy.deepcopy(doc)
    knobs.overlay(
        knobs.Settings(),
        {k.removeprefix(names.CONFIG): v for k, v in request.notes.items()},
        f"(annotation on {_name(doc)})",
    )
    made.setdefault("metadata", {}).setdefault("annotations", {}).update({names.INJECT: request.mode, **request.notes})
    return made, Report(_name(doc), "annotated", warnings=knobs.complaints(notes, f"on {_name(doc)}"))


def _template(doc: Doc) -> Doc:
    """The pod template, or the pod itself."""
    return shape.part(doc, *TEMPLATES[doc["kind"]])


def _with_template(doc: Doc, pod: Doc) -> Doc:
    steps = TEMPLATES[doc["kind"]]
    if not steps:
        return doc | pod
    place: Any = doc
    for step in steps[:-1]:
        place = place[step]
    place[steps[-1]] = pod
    return doc


def _name(doc: Doc) -> str:
    name = shape.text(doc, "metadata", "name") or shape.text(doc, "metadata", "generateName") or "?"
    return f"{(shape.text(doc, 'kind') or 'object').lower()}/{name}"
