"""What all parts of the extension share. In: the installation's plan, the extension's values. Out: shapes of Deployments, accounts, names.

Pure. Never here: which parts there are (see `parts`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isthmus import names
from isthmus.install import core, objects, trust
from isthmus.install.viz import values as choices

Doc = dict[str, Any]

CONFIG = "viz-config"
MARKS = {names.EXTENSION_LABEL: "viz"}
ADMIN_PORT = 9995


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a rendering depends on."""

    core: core.Plan
    values: choices.Values
    tap: trust.Webhook
    """The certificate of the tap service."""

    @property
    def prometheus(self) -> str:
        """Where Prometheus answers."""
        domain = self.core.values.cluster_domain
        return self.values.prometheus_url or f"http://prometheus.{names.VIZ_NS}.svc.{domain}:9090"


def labels(component: str) -> dict[str, str]:
    """The labels of a part, by which its Service and Deployment find their pods."""
    return {**MARKS, "component": component}


def account(name: str, rules: Sequence[Doc], *, local: Sequence[Doc] = ()) -> list[Doc]:
    """A ServiceAccount of the extension and its rights: in every namespace, and in its own."""
    space, marks = names.VIZ_NS, labels(name)
    wide = f"linkerd-{space}-{name}"
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": space}]
    docs = [objects.doc("v1", "ServiceAccount", name, space, labels=marks)]
    if rules:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": wide}
        docs.append(objects.doc(objects.RBAC, "ClusterRole", wide, labels=marks, rules=list(rules)))
        docs.append(
            objects.doc(objects.RBAC, "ClusterRoleBinding", wide, labels=marks, roleRef=role, subjects=subjects)
        )
    if local:
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        docs.append(objects.doc(objects.RBAC, "Role", name, space, labels=marks, rules=list(local)))
        docs.append(
            objects.doc(objects.RBAC, "RoleBinding", name, space, labels=marks, roleRef=role, subjects=subjects)
        )
    return docs


def container(
    plan: Plan, role: str, arguments: Sequence[str], ports: Mapping[str, int], *, mounts: Sequence[Doc] = ()
) -> Doc:
    """The container of `isthmus control ROLE`, with its admin port."""
    level = plan.core.values.control_log_level
    return {
        "name": role,
        "image": plan.core.values.control_image,
        "imagePullPolicy": plan.core.values.image_pull_policy,
        "args": ["control", role, *arguments, "--admin-port", str(ADMIN_PORT), "--log-level", level],
        "ports": [{"name": name, "containerPort": number} for name, number in {**ports, "admin": ADMIN_PORT}.items()],
        **objects.probes(ADMIN_PORT),
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": objects.confined(),
        "volumeMounts": list(mounts),
    }


def deployment(
    plan: Plan,
    name: str,
    containers: Sequence[Doc],
    *,
    replicas: int = 1,
    volumes: Sequence[Doc] = (),
    notes: Mapping[str, str] | None = None,
) -> Doc:
    """A meshed Deployment of the extension, under the account of the same name.

    Whoever may ask the API server for the extension's Services comes without a proxy, as the kubelet does: so the pods take traffic from
    everybody unless a policy says otherwise, whatever the installation's default is.
    """
    meta_notes = {
        **core.fast_start(),
        f"{names.CONFIG}skip-outbound-ports": "443,6443",
        f"{names.CONFIG}default-inbound-policy": "all-unauthenticated",
        **(notes or {}),
    }
    spec: Doc = {
        "serviceAccountName": name,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": list(containers),
        "volumes": list(volumes),
    }
    pod: Doc = {"metadata": {"labels": labels(name), "annotations": meta_notes}, "spec": spec}
    return objects.deployment(
        name,
        names.VIZ_NS,
        replicas=replicas,
        match=labels(name),
        labels=labels(name),
        pod=core.meshed(plan.core, pod, namespace=names.VIZ_NS, owner=name),
    )


def service(name: str, ports: Mapping[str, int]) -> Doc:
    """The Service of a part."""
    listed = [objects.port(word, number) for word, number in ports.items()]
    return objects.service(name, names.VIZ_NS, labels(name), listed, labels=labels(name))
