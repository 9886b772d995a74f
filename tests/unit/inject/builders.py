"""Pods and meshes for the tables of this room."""

from typing import Any

from isthmus import knobs, names
from isthmus.inject import mesh

Doc = dict[str, Any]

MESH = mesh.Mesh(anchors="-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", tag="1.2.3")


def pod(
    notes: Doc | None = None, *, ports=(8080,), labels: Doc | None = None, owner: tuple[str, str] | None = None, **spec
) -> Doc:
    """A pod of one container `app`."""
    container: Doc = {"name": "app", "image": "x", "ports": [{"containerPort": p} for p in ports]}
    meta: Doc = {"name": "web-1", "annotations": notes or {}, "labels": labels or {}}
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    return {"metadata": meta, "spec": {"containers": [container], **spec}}


def on(**more: str) -> Doc:
    """Annotations of a pod that wants to be meshed; `a_b` stands for `config.linkerd.io/a-b`."""
    return {names.INJECT: "enabled", **{f"{names.CONFIG}{k.replace('_', '-')}": v for k, v in more.items()}}


def settings(**changes: Any) -> knobs.Settings:
    return knobs.overlay(knobs.Settings(), {k.replace("_", "-"): v for k, v in changes.items()}, "in a test")


def container(made: Doc, name: str) -> Doc:
    """A container of a pod by its name, wherever it stands."""
    spec = made["spec"]
    return next(c for c in [*spec.get("initContainers", []), *spec["containers"]] if c["name"] == name)


def variables(made: Doc) -> Doc:
    """The proxy's plain variables, without their prefix."""
    rows = container(made, "linkerd-proxy")["env"]
    return {r["name"].removeprefix("LINKERD2_PROXY_"): r["value"] for r in rows if "value" in r}
