"""What multicluster puts into clusters, as plain documents. In: names and values already checked. Out: lists of manifests.

`controller_objects` goes into every cluster that may be a source; `remote_access` into a target, one set for each source;
`credentials` and `link` into the source, one set for each target. The gateway's objects are in `isthmus.install`.
Never here: I/O, tokens being made (see `link`), Namespaces (see `isthmus.install`).
"""

import base64
import json
from collections.abc import Sequence
from typing import Any

from isthmus import names

CONTROLLER = "linkerd-service-mirror"
ADMIN_PORT = 9999
REMOTE_ACCESS = "linkerd-service-mirror-remote-access"
SOURCE_LABEL = "multicluster.linkerd.io/source"
SOURCE_UID = "multicluster.linkerd.io/source-uid"
TARGET_UID = "multicluster.linkerd.io/target-uid"
ACCOUNT = "multicluster.linkerd.io/service-account"
"""On a credentials Secret: the target's ServiceAccount whose token it holds, which the controller renews."""
LINK_API = "multicluster.linkerd.io/v1alpha3"

Doc = dict[str, Any]

_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "update", "patch", "delete"]


def controller_objects(
    *,
    control_image: str,
    namespace: str = names.MULTICLUSTER_NS,
    control_ns: str = names.CONTROL_NS,
    pull_policy: str = "IfNotPresent",
    replicas: int = 1,
    create_namespaces: bool = False,
    log_level: str = "info",
) -> list[Doc]:
    """The service mirror: ServiceAccount, rights, and one Deployment that runs every Link of `namespace`.

    With more `replicas` each Link is run by the one that holds its Lease; the others stand by.
    """
    account = {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": namespace}
    return [
        _doc("v1", "ServiceAccount", CONTROLLER, namespace),
        _doc(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            CONTROLLER,
            rules=_local_rules(create_namespaces=create_namespaces),
        ),
        _binding("ClusterRoleBinding", CONTROLLER, "ClusterRole", account),
        _doc("rbac.authorization.k8s.io/v1", "Role", CONTROLLER, namespace, rules=_link_rules()),
        _binding("RoleBinding", CONTROLLER, "Role", account, namespace),
        _deployment(
            control_image, namespace, control_ns, pull_policy, replicas, log_level, create_namespaces=create_namespaces
        ),
    ]


def _local_rules(*, create_namespaces: bool) -> list[Doc]:
    namespaces = [*_READ, "create"] if create_namespaces else _READ
    return [
        {"apiGroups": [""], "resources": ["services"], "verbs": _WRITE},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _WRITE},
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": namespaces},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ]


def _link_rules() -> list[Doc]:
    return [
        {"apiGroups": ["multicluster.linkerd.io"], "resources": ["links"], "verbs": [*_READ, "patch", "update"]},
        {
            "apiGroups": ["multicluster.linkerd.io"],
            "resources": ["links/status", "links/finalizers"],
            "verbs": ["patch", "update"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": [*_READ, "patch"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "verbs": ["get", "create", "update", "patch", "delete"],
        },
    ]


def _deployment(
    image: str,
    namespace: str,
    control_ns: str,
    pull_policy: str,
    replicas: int,
    log_level: str,
    *,
    create_namespaces: bool,
) -> Doc:
    arguments = ["control", "service-mirror", "--namespace", namespace, "--control-namespace", control_ns]
    arguments += ["--log-level", log_level, *(["--create-namespaces"] if create_namespaces else [])]
    labels = {"component": CONTROLLER, names.EXTENSION_LABEL: "multicluster", names.PART_OF_LABEL: names.PART_OF}
    probe = {"periodSeconds": 5, "failureThreshold": 6, "timeoutSeconds": 3}
    container = {
        "name": "service-mirror",
        "image": image,
        "imagePullPolicy": pull_policy,
        "args": arguments,
        "env": [{"name": "HOSTNAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "ports": [{"name": "admin-http", "containerPort": ADMIN_PORT}],
        "livenessProbe": {"httpGet": {"path": "/live", "port": ADMIN_PORT}, **probe},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": ADMIN_PORT}, **probe},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": names.CONTROLLER_UID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    # API servers are asked directly: the mirror must not depend on its own sidecar to learn about the world.
    annotations = {names.INJECT: "enabled", f"{names.CONFIG}skip-outbound-ports": "443,6443"}
    pod = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {
            "serviceAccountName": CONTROLLER,
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "containers": [container],
        },
    }
    selector = {"matchLabels": {"component": CONTROLLER}}
    spec = {"replicas": replicas, "selector": selector, "template": pod, "revisionHistoryLimit": 3}
    return _doc("apps/v1", "Deployment", CONTROLLER, namespace, spec=spec)


def account_name(source: str) -> str:
    """The ServiceAccount in a target that `source` uses: one for each source, so that access is revoked singly."""
    return f"{REMOTE_ACCESS}-{source}"


def remote_access(
    account: str,
    *,
    source: str = "",
    source_uid: str = "",
    namespace: str = names.MULTICLUSTER_NS,
    control_ns: str = names.CONTROL_NS,
    for_linkerd: bool = False,
) -> list[Doc]:
    """What a target grants one source: read Services and EndpointSlices, read what a check compares, renew its own token.

    `for_linkerd` adds what Linkerd's own controllers ask for, and a token Secret without expiry, since they do not renew.
    RBAC cannot select by label, so the reading rights span all Services of the target.
    """
    labels = {SOURCE_LABEL: source} if source else {}
    notes = {SOURCE_UID: source_uid} if source_uid else {}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    rules: list[Doc] = [
        {"apiGroups": [""], "resources": ["services"], "verbs": _READ},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": _READ},
        # its uid tells clusters apart, so that a Link to its own cluster is seen
        {"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]},
    ]
    if for_linkerd:
        rules += [
            {"apiGroups": [""], "resources": ["endpoints", "pods"], "verbs": _READ},
            {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": _READ},
            {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": _READ},
            {"apiGroups": ["policy.linkerd.io"], "resources": ["servers"], "verbs": _READ},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
        ]
    facts = ["linkerd-config", "linkerd-identity-trust-roots"]
    rbac = "rbac.authorization.k8s.io/v1"
    read_facts = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": facts, "verbs": ["get"]}]
    renew = [
        {"apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": [account], "verbs": ["create"]}
    ]
    docs = [
        _doc("v1", "ServiceAccount", account, namespace, labels=labels, annotations=notes),
        _doc(rbac, "ClusterRole", account, labels=labels, rules=rules),
        _binding("ClusterRoleBinding", account, "ClusterRole", subject, labels=labels),
        _doc(rbac, "Role", account, control_ns, labels=labels, rules=read_facts),
        _binding("RoleBinding", account, "Role", subject, control_ns, labels=labels),
        _doc(rbac, "Role", f"{account}-token", namespace, labels=labels, rules=renew),
        _binding("RoleBinding", f"{account}-token", "Role", subject, namespace, labels=labels),
    ]
    if for_linkerd:
        token = _doc("v1", "Secret", f"{account}-token", namespace, labels=labels)
        token["metadata"]["annotations"] = {"kubernetes.io/service-account.name": account}
        docs.append(token | {"type": "kubernetes.io/service-account-token"})
    return docs


def kubeconfig(
    *, cluster: str, server: str, ca: bytes, token: str, account: str, namespace: str = names.MULTICLUSTER_NS
) -> str:
    """The kubeconfig a credentials Secret holds, as JSON (which every YAML reader takes). `ca` is PEM; empty uses public roots."""
    trust = {"certificate-authority-data": base64.b64encode(ca).decode()} if ca else {}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": account, "namespace": namespace}}],
        "clusters": [{"name": cluster, "cluster": {"server": server, **trust}}],
        "users": [{"name": account, "user": {"token": token}}],
    }
    return json.dumps(config, indent=1)


def credentials(
    cluster: str,
    config: str,
    *,
    account: str,
    namespace: str = names.MULTICLUSTER_NS,
    domain: str = names.CLUSTER_DOMAIN,
) -> Doc:
    """The source's Secret with the kubeconfig for `cluster`."""
    labels = {"multicluster.linkerd.io/cluster-name": cluster}
    notes = {
        ACCOUNT: account,
        "multicluster.linkerd.io/trust-domain": domain,
        "multicluster.linkerd.io/cluster-domain": domain,
    }
    secret = _doc("v1", "Secret", names.credentials(cluster), namespace, labels=labels, annotations=notes)
    return secret | {"type": names.CREDENTIALS_TYPE, "data": {"kubeconfig": base64.b64encode(config.encode()).decode()}}


def link(
    cluster: str,
    *,
    gateway: Sequence[str],
    gateway_port: int,
    gateway_identity: str,
    probe: dict[str, str],
    namespace: str = names.MULTICLUSTER_NS,
    control_ns: str = names.CONTROL_NS,
    domain: str = names.CLUSTER_DOMAIN,
    selector: Doc | None = None,
    excluded_labels: Sequence[str] = (),
    excluded_annotations: Sequence[str] = (),
    target_uid: str = "",
    more: Doc | None = None,
) -> Doc:
    """The Link for `cluster`. `probe` holds path, port, period, timeout, failureThreshold as text; `more` further spec fields."""
    spec: Doc = {
        "targetClusterName": cluster,
        "targetClusterDomain": domain,
        "targetClusterLinkerdNamespace": control_ns,
        "clusterCredentialsSecret": names.credentials(cluster),
        "gatewayAddress": ",".join(gateway),
        "gatewayPort": str(gateway_port),
        "gatewayIdentity": gateway_identity,
        "probeSpec": probe,
        "selector": selector if selector is not None else {"matchLabels": {names.EXPORTED: "true"}},
        **({"excludedLabels": list(excluded_labels)} if excluded_labels else {}),
        **({"excludedAnnotations": list(excluded_annotations)} if excluded_annotations else {}),
        **(more or {}),
    }
    notes = {TARGET_UID: target_uid} if target_uid else {}
    return _doc(LINK_API, "Link", cluster, namespace, annotations=notes, spec=spec)


def _doc(
    api: str,
    kind: str,
    name: str,
    namespace: str | None = None,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    **fields: object,
) -> Doc:
    marks = {names.PART_OF_LABEL: names.PART_OF, names.EXTENSION_LABEL: "multicluster", **(labels or {})}
    meta: Doc = {"name": name, **({"namespace": namespace} if namespace else {}), "labels": marks}
    if annotations:
        meta["annotations"] = annotations
    return {"apiVersion": api, "kind": kind, "metadata": meta, **fields}


def _binding(
    kind: str, name: str, role: str, subject: Doc, namespace: str | None = None, *, labels: dict[str, str] | None = None
) -> Doc:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": name}
    return _doc(
        "rbac.authorization.k8s.io/v1", kind, name, namespace, labels=labels, roleRef=reference, subjects=[subject]
    )
