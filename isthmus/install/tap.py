"""The tap service as documents. In: the control plane's plan, a certificate. Out: its account and rights, Deployment, Service, APIService.

Pure. The pod is meshed at rendering, so that its identity is known to proxies as the one that may tap them; port 8089 stays out of its
proxy, because the API server comes with a client certificate of its own. Never here: the extension's other parts.
"""

import base64
from typing import Any

from isthmus import names
from isthmus.install import core, objects, trust
from isthmus.tap import api, caller, run

Doc = dict[str, Any]

NAME = "tap"
SECRET = "tap-k8s-tls"  # noqa: S105 (a name)
APISERVICE = f"{api.VERSION}.{api.GROUP}"
ADMIN_ROLE = f"linkerd-{names.VIZ_NS}-tap-admin"
RULES: list[Doc] = [
    {"apiGroups": [""], "resources": ["pods", "services"], "verbs": objects.READ},
    # may this user tap that?
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
]
FRONT_READER = "extension-apiserver-authentication-reader"
"""Kubernetes' own role for reading what the API server's front proxy is known by."""


def render(plan: core.Plan, certificate: trust.Webhook, *, replicas: int = 1) -> list[Doc]:
    """The tap service, in the order in which it is applied."""
    pair = {"tls.crt": _b64(certificate.certificate), "tls.key": _b64(certificate.key)}
    marks = _labels()
    return [
        *_rights(),
        objects.doc("v1", "Secret", SECRET, names.VIZ_NS, labels=marks, type="kubernetes.io/tls", data=pair),
        objects.service(NAME, names.VIZ_NS, marks, [objects.port("apiserver", 443, run.PORT)], labels=marks),
        _deployment(plan, replicas),
        _apiservice(certificate),
    ]


def _labels() -> dict[str, str]:
    return {names.EXTENSION_LABEL: "viz", "component": NAME}


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _rights() -> list[Doc]:
    """Its own, and the role of people who may tap everything."""
    marks, wide = _labels(), f"linkerd-{names.VIZ_NS}-{NAME}"
    subjects = [{"kind": "ServiceAccount", "name": NAME, "namespace": names.VIZ_NS}]

    def bound(kind: str, namespace: str, role: str) -> Doc:
        ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind.removesuffix("Binding"), "name": role}
        return objects.doc(objects.RBAC, kind, wide, namespace, labels=marks, roleRef=ref, subjects=subjects)

    everything = [{"apiGroups": [api.GROUP], "resources": ["*"], "verbs": ["watch"]}]
    return [
        objects.doc("v1", "ServiceAccount", NAME, names.VIZ_NS, labels=marks),
        objects.doc(objects.RBAC, "ClusterRole", wide, labels=marks, rules=RULES),
        bound("ClusterRoleBinding", "", wide),
        bound("RoleBinding", caller.CONFIG_NS, FRONT_READER),
        objects.doc(objects.RBAC, "ClusterRole", ADMIN_ROLE, labels=marks, rules=everything),
    ]


def _deployment(plan: core.Plan, replicas: int) -> Doc:
    marks = _labels()
    container: Doc = {
        "name": NAME,
        "image": plan.values.control_image,
        "imagePullPolicy": plan.values.image_pull_policy,
        "args": [
            *("control", "tap", "--tls-dir", core.TLS_DIR, "--trust-domain", plan.values.trust_domain),
            *("--log-level", plan.values.control_log_level),
        ],
        "ports": [{"name": "apiserver", "containerPort": run.PORT}, {"name": "admin", "containerPort": run.ADMIN_PORT}],
        **objects.probes(run.ADMIN_PORT),
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": objects.confined(),
        "volumeMounts": [{"name": "tls", "mountPath": core.TLS_DIR, "readOnly": True}],
    }
    notes = core.fast_start() | {
        f"{names.CONFIG}skip-inbound-ports": f"{run.PORT},{run.ADMIN_PORT}",
        f"{names.CONFIG}skip-outbound-ports": "443,6443",
    }
    pod: Doc = {
        "metadata": {"labels": marks, "annotations": notes},
        "spec": {
            "serviceAccountName": NAME,
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            "volumes": [{"name": "tls", "secret": {"secretName": SECRET}}],
        },
    }
    meshed = core.meshed(plan, pod, namespace=names.VIZ_NS, owner=NAME)
    return objects.deployment(NAME, names.VIZ_NS, replicas=replicas, match=marks, labels=marks, pod=meshed)


def _apiservice(certificate: trust.Webhook) -> Doc:
    spec = {
        "group": api.GROUP,
        "version": api.VERSION,
        "groupPriorityMinimum": 1000,
        "versionPriority": 100,
        "service": {"name": NAME, "namespace": names.VIZ_NS, "port": 443},
        "caBundle": _b64(certificate.authority),
    }
    return objects.doc("apiregistration.k8s.io/v1", "APIService", APISERVICE, labels=_labels(), spec=spec)
