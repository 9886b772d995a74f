"""Shapes and rights that documents share. In: names. Out: documents. Never here: which of them a cluster gets (see `core`).

The rights are one table: ServiceAccount -> what it may do, and why it needs it stands beside.
"""

from typing import Any

from isthmus import names

Doc = dict[str, Any]

RBAC = "rbac.authorization.k8s.io/v1"
READ = ["get", "list", "watch"]
IDENTITY, DESTINATION, INJECTOR = "linkerd-identity", "linkerd-destination", "linkerd-proxy-injector"
ROUTE_GROUPS = ["policy.linkerd.io", "gateway.networking.k8s.io"]

CLUSTER_RIGHTS: dict[str, list[Doc]] = {
    IDENTITY: [
        # is this token a ServiceAccount's, and whose
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ],
    DESTINATION: [
        {"apiGroups": [""], "resources": ["services", "pods", "nodes", "namespaces", "endpoints"], "verbs": READ},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
        {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": READ},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": READ},
        {"apiGroups": ["linkerd.io"], "resources": ["serviceprofiles"], "verbs": READ},
        {"apiGroups": ["policy.linkerd.io"], "resources": ["*"], "verbs": READ},
        {"apiGroups": ["gateway.networking.k8s.io"], "resources": ["httproutes", "grpcroutes"], "verbs": READ},
        {"apiGroups": ["split.smi-spec.io"], "resources": ["trafficsplits"], "verbs": READ},
        # routes' owners are told in the status what became of them; whether a route counts does not wait for that (decision 0003)
        {
            "apiGroups": ROUTE_GROUPS,
            "resources": ["httproutes/status", "grpcroutes/status"],
            "verbs": ["get", "patch", "update"],
        },
        {"apiGroups": ["policy.linkerd.io"], "resources": ["*/status"], "verbs": ["get", "patch", "update"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ],
    INJECTOR: [
        {"apiGroups": [""], "resources": ["namespaces"], "verbs": READ},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch"]},
    ],
}
"""ServiceAccount -> rules that hold in every namespace."""

LOCAL_RIGHTS: dict[str, list[Doc]] = {
    IDENTITY: [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["linkerd-identity-issuer"], "verbs": READ},
        {
            "apiGroups": [""],
            "resources": ["configmaps"],
            "resourceNames": ["linkerd-identity-trust-roots"],
            "verbs": READ,
        },
    ],
    DESTINATION: [
        # one policy process at a time writes statuses
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "patch"]},
    ],
    INJECTOR: [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": READ},
    ],
}
"""ServiceAccount -> rules that hold in the control plane's namespace."""


def doc(
    api: str,
    kind: str,
    name: str,
    namespace: str = "",
    *,
    labels: dict[str, str] | None = None,
    notes: dict[str, str] | None = None,
    **fields: Any,
) -> Doc:
    """A document that carries our mark, by which `uninstall` finds it again."""
    meta: Doc = {"name": name}
    if namespace:
        meta["namespace"] = namespace
    meta["labels"] = {names.PART_OF_LABEL: names.PART_OF, **(labels or {})}
    if notes:
        meta["annotations"] = notes
    return {"apiVersion": api, "kind": kind, "metadata": meta, **fields}


def account(name: str, namespace: str, *, labels: dict[str, str]) -> list[Doc]:
    """A control plane ServiceAccount with its rights."""
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]
    wide = f"linkerd-{namespace}-{name.removeprefix('linkerd-')}"
    docs = [
        doc("v1", "ServiceAccount", name, namespace, labels=labels),
        doc(RBAC, "ClusterRole", wide, labels=labels, rules=CLUSTER_RIGHTS[name]),
        doc(RBAC, "ClusterRoleBinding", wide, labels=labels, roleRef=_role("ClusterRole", wide), subjects=subjects),
    ]
    if LOCAL_RIGHTS.get(name):
        docs.append(doc(RBAC, "Role", name, namespace, labels=labels, rules=LOCAL_RIGHTS[name]))
        docs.append(
            doc(RBAC, "RoleBinding", name, namespace, labels=labels, roleRef=_role("Role", name), subjects=subjects)
        )
    return docs


def _role(kind: str, name: str) -> Doc:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}


def service(
    name: str,
    namespace: str,
    selector: dict[str, str],
    ports: list[Doc],
    *,
    headless: bool = False,
    labels: dict[str, str] | None = None,
) -> Doc:
    """A ClusterIP Service, or a headless one.

    A headless one names pods that are not ready too: proxies that start with a plane would else get "no such name" and every resolver
    on the way remembers that for seconds. A proxy that dials a pod which is not there yet tries the next, and again.
    """
    names_all = {"clusterIP": "None", "publishNotReadyAddresses": True} if headless else {}
    spec: Doc = {
        "type": "ClusterIP",
        **names_all,
        "selector": selector,
        "ports": ports,
    }
    return doc("v1", "Service", name, namespace, labels=labels, spec=spec)


def port(name: str, number: int, target: int | str | None = None) -> Doc:
    """One port of a Service."""
    return {"name": name, "port": number, "protocol": "TCP", "targetPort": target or number}


def probes(admin: int) -> Doc:
    """Asked every second, so that a rollout is known to be done as soon as it is."""
    ready = {
        "httpGet": {"path": "/ready", "port": admin},
        "periodSeconds": 1,
        "timeoutSeconds": 1,
        "failureThreshold": 7,
    }
    live = {
        "httpGet": {"path": "/live", "port": admin},
        "initialDelaySeconds": 10,
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }
    return {"readinessProbe": ready, "livenessProbe": live}


def confined() -> Doc:
    """What every process of the control plane may do to its node: nothing."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "runAsUser": names.CONTROLLER_UID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def deployment(
    name: str, namespace: str, *, replicas: int, match: dict[str, str], labels: dict[str, str], pod: Doc
) -> Doc:
    """A Deployment that never has fewer ready pods than asked for while it rolls."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    spec = {
        "replicas": replicas,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": match},
        "strategy": strategy,
        "template": pod,
    }
    return doc("apps/v1", "Deployment", name, namespace, labels=labels, spec=spec)
