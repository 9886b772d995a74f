"""The multicluster extension as documents. In: a `core.Plan`. Out: its namespace, the gateway with its policy, the service mirror.

Pure. The gateway's pod is a proxy and nothing else. Never here: Links and credentials (see `isthmus.multicluster`).
"""

from typing import Any

from isthmus import names
from isthmus.install import core, objects
from isthmus.multicluster import objects as mirror

Doc = dict[str, Any]

GATEWAY = "linkerd-gateway"
_POLICY = "policy.linkerd.io"


def render(plan: core.Plan) -> list[Doc]:
    """The extension, in the order in which it is applied."""
    return [namespace(), *_gateway(plan), *_policy(), *_mirror(plan)]


def namespace() -> Doc:
    """Where Links, credentials, the gateway and the service mirror live."""
    return objects.doc("v1", "Namespace", names.MULTICLUSTER_NS, labels={names.EXTENSION_LABEL: "multicluster"})


def identity(plan: core.Plan) -> str:
    """The name in the gateway's certificate."""
    return names.identity(GATEWAY, names.MULTICLUSTER_NS, plan.control_ns, plan.values.trust_domain)


def _marks() -> dict[str, str]:
    return {"app": GATEWAY, "component": "gateway", names.EXTENSION_LABEL: "multicluster"}


def _gateway(plan: core.Plan) -> list[Doc]:
    space, marks = names.MULTICLUSTER_NS, _marks()
    notes = core.fast_start() | {
        f"{names.CONFIG}enable-gateway": "true",
        f"{names.CONFIG}proxy-require-identity-inbound-ports": str(names.INBOUND_PORT),
        f"{names.CONFIG}default-inbound-policy": "all-authenticated",
    }
    bare: Doc = {
        "metadata": {"labels": marks, "annotations": notes},
        "spec": {"serviceAccountName": GATEWAY, "nodeSelector": {"kubernetes.io/os": "linux"}, "containers": []},
    }
    pod = core.meshed(plan, bare, namespace=space, owner=GATEWAY)
    return [
        objects.doc("v1", "ServiceAccount", GATEWAY, space, labels=marks),
        _gateway_service(plan),
        objects.deployment(
            GATEWAY, space, replicas=plan.values.gateway_replicas, match={"app": GATEWAY}, labels=marks, pod=pod
        ),
    ]


def _gateway_service(plan: core.Plan) -> Doc:
    notes = {
        names.GATEWAY_IDENTITY: identity(plan),
        names.PROBE_PERIOD: "3",
        names.PROBE_PATH: "/ready",
        names.GATEWAY_MARK: "true",
        "mirror.linkerd.io/probe-failure-threshold": "3",
        "mirror.linkerd.io/probe-timeout": "3s",
    }
    ports = [
        objects.port("mc-gateway", plan.values.gateway_port, names.INBOUND_PORT),
        objects.port("mc-probe", plan.values.gateway_probe_port, names.ADMIN_PORT),
    ]
    spec = {"type": plan.values.gateway_service_type, "selector": {"app": GATEWAY}, "ports": ports}
    return objects.doc("v1", "Service", GATEWAY, names.MULTICLUSTER_NS, labels=_marks(), notes=notes, spec=spec)


def _policy() -> list[Doc]:
    """Every meshed client of a linked cluster may use the gateway, from any network; whoever has no certificate may not."""
    space, marks = names.MULTICLUSTER_NS, _marks()
    server = {"podSelector": {"matchLabels": {"app": GATEWAY}}, "port": "linkerd-proxy", "accessPolicy": "deny"}
    references = [
        {"group": _POLICY, "kind": "MeshTLSAuthentication", "name": "any-meshed"},
        {"group": _POLICY, "kind": "NetworkAuthentication", "name": "source-cluster"},
    ]
    allow = {
        "targetRef": {"group": _POLICY, "kind": "Server", "name": GATEWAY},
        "requiredAuthenticationRefs": references,
    }
    networks = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
    return [
        objects.doc(f"{_POLICY}/v1beta3", "Server", GATEWAY, space, labels=marks, spec=server),
        objects.doc(f"{_POLICY}/v1alpha1", "AuthorizationPolicy", GATEWAY, space, labels=marks, spec=allow),
        objects.doc(
            f"{_POLICY}/v1alpha1",
            "MeshTLSAuthentication",
            "any-meshed",
            space,
            labels=marks,
            spec={"identities": ["*"]},
        ),
        objects.doc(
            f"{_POLICY}/v1alpha1",
            "NetworkAuthentication",
            "source-cluster",
            space,
            labels=marks,
            spec={"networks": networks},
        ),
    ]


def _mirror(plan: core.Plan) -> list[Doc]:
    """The service mirror's own documents, its pod meshed: it asks gateways for their health through its proxy."""
    docs = mirror.controller_objects(
        control_image=plan.values.control_image,
        control_ns=plan.control_ns,
        pull_policy=plan.values.image_pull_policy,
        replicas=plan.values.mirror_replicas,
        log_level=plan.values.control_log_level,
    )
    for one in docs:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]
            pod["metadata"]["annotations"] |= core.fast_start()
            one["spec"]["template"] = core.meshed(
                plan, pod, namespace=names.MULTICLUSTER_NS, owner=one["metadata"]["name"]
            )
    return docs
