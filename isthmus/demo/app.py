"""What the demonstration deploys, as plain Kubernetes objects.

In: the cluster's name and the image. Out: documents to apply: backend-svc in both clusters, a client and the route in east.
Never here: the mesh's own objects (see `install`), or weights over time (see `story`).
"""

from typing import Any

from isthmus import names

NAMESPACE = "isthmus-demo"
SERVICE = "backend-svc"
CLIENT = "client"
PORT = 8888
ECHO_PORT = 9999

Doc = dict[str, Any]


def namespace() -> Doc:
    """The namespace, injected."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "annotations": {names.INJECT: "enabled"}},
    }


def backend(cluster: str, image: str, *, exported: bool) -> list[Doc]:
    """`backend-svc` answering with its cluster and pod on 8888, and echoing bytes on 9999 (opaque)."""
    labels = {"app": SERVICE}
    container: Doc = {
        "name": "backend",
        "image": image,
        "args": ["serve"],
        "env": [
            {"name": "CLUSTER", "value": cluster},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "ports": [{"containerPort": PORT, "name": "http"}, {"containerPort": ECHO_PORT, "name": "echo"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": PORT}, "periodSeconds": 1},
    }
    service: Doc = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": {names.EXPORTED: "true"} if exported else {},
            "annotations": {names.OPAQUE_PORTS_ANNOTATION: str(ECHO_PORT)},
        },
        "spec": {
            "selector": labels,
            "ports": [
                {"name": "http", "port": PORT, "targetPort": "http"},
                {"name": "echo", "port": ECHO_PORT, "targetPort": "echo"},
            ],
        },
    }
    return [
        service,
        _account(SERVICE),
        _deployment(SERVICE, labels, container, {names.OPAQUE_PORTS_ANNOTATION: str(ECHO_PORT)}),
    ]


def client(image: str, *, rps: int, connections: int) -> list[Doc]:
    """A client that calls `backend-svc` at a steady rate and logs one JSON line a second."""
    args = ["load", "--url", f"http://{SERVICE}:{PORT}/", "--rps", str(rps), "--connections", str(connections)]
    container: Doc = {"name": "client", "image": image, "args": args}
    return [_account(CLIENT), _deployment(CLIENT, {"app": CLIENT}, container, {})]


def split(target: str, *, here: int, there: int) -> Doc:
    """The split: an HTTPRoute on `backend-svc` with a weight for the Service itself and for the mirror of `target`'s."""
    weights = {SERVICE: here, names.mirror(SERVICE, target): there}
    refs = [{"name": name, "port": PORT, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "HTTPRoute",
        "metadata": {"name": "backend-split", "namespace": NAMESPACE},
        "spec": {
            "parentRefs": [{"group": "core", "kind": "Service", "name": SERVICE, "port": PORT}],
            "rules": [{"backendRefs": refs}],
        },
    }


def _account(name: str) -> Doc:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}}


def _deployment(name: str, labels: dict[str, str], container: Doc, annotations: dict[str, str]) -> Doc:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "serviceAccountName": name,
                    "terminationGracePeriodSeconds": 5,
                    "containers": [{"imagePullPolicy": "IfNotPresent", **container}],
                },
            },
        },
    }
