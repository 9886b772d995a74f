"""The admission webhook. In: AdmissionReviews over HTTPS. Out: allowed with a patch, allowed without, or refused with a sentence.

A pod or Service is refused only when an annotation of ours holds what cannot be read; it is never refused for a lack of ours: while
the control plane's values are unknown the answer is an error, and the webhook's failurePolicy decides.
Never here: what a patch holds (see `patch`), watches (see `run`). Limit: BODY_LIMIT bytes a review.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import prometheus_client
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from isthmus import knobs, names
from isthmus.errors import BadValue
from isthmus.inject import decide, patch, shape
from isthmus.inject import mesh as meshes

Doc = dict[str, Any]

BODY_LIMIT = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What one review comes to. `refusal` is a sentence; `skip` a key of `decide.SKIPS`; `notes` are warnings the client sees."""

    operations: list[Doc] = field(default_factory=list[Doc])
    refusal: str = ""
    skip: str = ""
    notes: tuple[str, ...] = ()
    owner: patch.Owner = field(default_factory=patch.Owner)

    def review(self, uid: str) -> Doc:
        """The AdmissionReview that carries it."""
        response: Doc = {"uid": uid, "allowed": not self.refusal}
        if self.refusal:
            response["status"] = {"code": 400, "reason": "BadRequest", "message": self.refusal}
        if self.operations:
            response["patchType"] = "JSONPatch"
            response["patch"] = base64.b64encode(json.dumps(self.operations).encode()).decode()
        if self.notes:
            response["warnings"] = list(self.notes)
        return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


def answer(request: Mapping[str, Any], space: Mapping[str, str], mesh: meshes.Mesh) -> Answer:
    """Pure: what to do with the object of an admission request, in a namespace with the annotations `space`."""
    kind = shape.text(request, "kind", "kind")
    obj = shape.part(request, "object")
    namespace = shape.text(request, "namespace")
    try:
        if kind == "Pod":
            return _pod(obj, namespace, space, mesh)
        return _service(obj, space, mesh) if kind == "Service" else Answer(skip="unsupported_resource")
    except BadValue as bad:
        return Answer(refusal=f"{bad.sentence}; {bad.hint}")


def _pod(pod: Doc, namespace: str, space: Mapping[str, str], mesh: meshes.Mesh) -> Answer:
    name = shape.text(pod, "metadata", "name") or shape.text(pod, "metadata", "generateName") + "*"
    name = f"Pod {namespace}/{name}"
    owner = patch.owner_of(pod)
    verdict = decide.verdict(pod, space)
    if verdict.skip:
        notes = (f"{name} not injected: {decide.SKIPS[verdict.skip]}",) if verdict.skip.startswith("invalid") else ()
        declared = decide.declared_ports(shape.part(pod, "spec"))
        return Answer(_opaque(pod, space, declared, mesh), skip=verdict.skip, notes=notes, owner=owner)
    chosen = decide.settings(pod, space, mesh.defaults, pod_name=name, namespace_name=namespace)
    made = patch.injected(
        pod,
        mesh,
        chosen,
        namespace=namespace,
        owner=owner,
        ingress=verdict.mode == decide.INGRESS,
        inherited=decide.inherited(pod, space),
        tap=decide.tappable(space),
    )
    notes = (
        *knobs.complaints(decide.annotations_of(pod), f"on {name}"),
        *knobs.complaints(space, f"on Namespace {namespace}"),
    )
    return Answer(patch.operations(pod, made), owner=owner, notes=notes)


def _service(service: Doc, space: Mapping[str, str], mesh: meshes.Mesh) -> Answer:
    declared = {port["port"] for port in shape.rows(service, "spec", "ports")}
    return Answer(_opaque(service, space, declared, mesh), skip="unsupported_resource")


def _opaque(obj: Doc, space: Mapping[str, str], declared: set[int], mesh: meshes.Mesh) -> list[Doc]:
    """Even an object without a proxy says which of its ports are opaque: clients' proxies must know."""
    ports = decide.opaque_ports(decide.annotations_of(obj), space, declared, mesh.defaults.opaque_ports)
    if ports is None:
        return []
    meta = dict(shape.part(obj, "metadata"))
    meta["annotations"] = {**shape.texts(meta, "annotations"), names.OPAQUE_PORTS_ANNOTATION: ports}
    return patch.operations(obj, {**obj, "metadata": meta})


class Meters:
    """What the webhook counts. Labels: owner kinds of Kubernetes, namespaces of the cluster, keys of `decide.SKIPS`."""

    def __init__(self, registry: prometheus_client.CollectorRegistry) -> None:
        self.requests = prometheus_client.Counter(
            "proxy_inject_admission_requests", "Pods looked at.", ["owner_kind", "namespace"], registry=registry
        )
        self.responses = prometheus_client.Counter(
            "proxy_inject_admission_responses",
            "Pods answered.",
            ["owner_kind", "namespace", "skip", "skip_reason"],
            registry=registry,
        )


Spaces = Callable[[str], Awaitable[Mapping[str, str]]]


def application(mesh: Callable[[], meshes.Mesh | None], spaces: Spaces, meters: Meters, log: Any) -> Starlette:
    """The ASGI application; `spaces` gives a namespace's annotations, `mesh` what proxies must know, None while unknown."""

    async def review(request: Request) -> Response:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > BODY_LIMIT:
                return PlainTextResponse(f"a review may have {BODY_LIMIT} bytes\n", 413)
        asked = _asked(bytes(body))
        if asked is None:
            return PlainTextResponse("not an AdmissionReview of admission.k8s.io/v1\n", 400)
        known = mesh()
        if known is None:
            return PlainTextResponse("the control plane's values are not known yet\n", 503)
        namespace = shape.text(asked, "namespace")
        said = answer(asked, await spaces(namespace), known)
        if shape.text(asked, "kind", "kind") == "Pod":
            kind = said.owner.kind or "pod"
            meters.requests.labels(kind, namespace).inc()
            meters.responses.labels(kind, namespace, str(bool(said.skip)).lower(), said.skip).inc()
            log.info(
                "pod", namespace=namespace, owner=f"{kind}/{said.owner.name}", skip=said.skip, refused=said.refusal
            )
        return JSONResponse(said.review(str(asked["uid"])))

    return Starlette(routes=[Route("/", review, methods=["POST"])])


def _asked(body: bytes) -> Doc | None:
    """The request of a review; None for anything else."""
    try:
        found: Any = json.loads(body)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    asked: Any = cast("Doc", found).get("request")
    return cast("Doc", asked) if isinstance(asked, dict) and "uid" in asked else None
