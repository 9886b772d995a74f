"""Kubernetes objects of the wire tier's pods, for `planes.py`. In: addresses of `world`. Out: documents. Never here: processes."""

import json
import pathlib
from typing import Any

from isthmus import names
from tests.wire import world

Doc = dict[str, Any]
PROXY_ENV = {"INBOUND": "4143", "ADMIN": "4191", "CONTROL": "4190"}


def _meta(name: str, **more: Any) -> Doc:
    return {"name": name, "namespace": "default", "creationTimestamp": "2026-01-01T00:00:00Z"} | more


def pod(name: str, notes: dict[str, str] | None = None) -> Doc:
    env = [{"name": f"LINKERD2_PROXY_{k}_LISTEN_ADDR", "value": f"0.0.0.0:{v}"} for k, v in PROXY_ENV.items()]
    meta = _meta(name, labels={names.CONTROL_PLANE_NS_LABEL: "linkerd", "app": name}, annotations=notes or {})
    containers = [{"name": "app"}, {"name": "linkerd-proxy", "env": env}]
    status = {"phase": "Running", "podIP": world.IPS[name]}
    spec = {"serviceAccountName": name, "nodeName": "n", "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def service(name: str, ip: str, port: int = 80, notes: dict[str, str] | None = None) -> Doc:
    meta = _meta(name, annotations=notes or {})
    spec = {"clusterIP": ip, "clusterIPs": [ip], "ports": [{"name": "main", "port": port}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


def members(name: str, pods: list[str], port: int) -> Doc:
    """The slice of a Service whose endpoints are pods."""
    targets = [{"addresses": [world.IPS[p]], "targetRef": {"kind": "Pod", "name": p}} for p in pods]
    return _slice(name, targets, port, {})


def mirrored(name: str, remote: str) -> Doc:
    """The slice of a mirror: the gateway, and what it is to be asked for."""
    notes = {names.REMOTE_FQ_NAME: remote, names.REMOTE_GATEWAY_IDENTITY: world.identity("gateway")}
    return _slice(name, [{"addresses": [world.IPS["gateway"]]}], 4143, notes)


def _slice(name: str, targets: list[Doc], port: int, notes: dict[str, str]) -> Doc:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": _meta(f"{name}-1", labels={"kubernetes.io/service-name": name}, annotations=notes),
        "addressType": "IPv4",
        "endpoints": targets,
        "ports": [{"name": "main", "port": port, "protocol": "TCP"}],
    }


def route(weights: dict[str, int]) -> Doc:
    """The split of `web` by an HTTPRoute."""
    parent = {"group": "core", "kind": "Service", "name": "web"}
    refs = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    spec = {"parentRefs": [parent], "rules": [{"backendRefs": refs}]}
    return {"apiVersion": "policy.linkerd.io/v1beta3", "kind": "HTTPRoute", "metadata": _meta("split"), "spec": spec}


def traffic_split(weights: dict[str, str]) -> Doc:
    """The split of `web` by SMI."""
    backends = [{"service": name, "weight": weight} for name, weight in weights.items()]
    spec = {"service": "web", "backends": backends}
    return {"apiVersion": "split.smi-spec.io/v1alpha2", "kind": "TrafficSplit", "metadata": _meta("smi"), "spec": spec}


def profile(overrides: dict[str, str]) -> Doc:
    """The split of `web` by a ServiceProfile."""
    listed = [{"authority": f"{n}.default.svc.cluster.local", "weight": w} for n, w in overrides.items()]
    meta = _meta("web.default.svc.cluster.local")
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": meta,
        "spec": {"dstOverrides": listed},
    }


def routes(service_: str, **regexes: str) -> Doc:
    """A ServiceProfile whose routes are known by their paths."""
    listed = [{"name": name, "condition": {"method": "GET", "pathRegex": regex}} for name, regex in regexes.items()]
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": _meta(f"{service_}.default.svc.cluster.local"),
        "spec": {"routes": listed},
    }


def server(port: int, protocol: str = "HTTP/1") -> Doc:
    """A Server on a port of pod `server`, which nobody may call until a policy says so."""
    spec = {"podSelector": {"matchLabels": {"app": "server"}}, "port": port, "proxyProtocol": protocol}
    return {"apiVersion": "policy.linkerd.io/v1beta3", "kind": "Server", "metadata": _meta("web"), "spec": spec}


def allow(identity: str) -> list[Doc]:
    """A policy that lets one identity call that Server."""
    group = "policy.linkerd.io"
    target = {"group": group, "kind": "Server", "name": "web"}
    required = [{"group": group, "kind": "MeshTLSAuthentication", "name": "friend"}]
    spec = {"targetRef": target, "requiredAuthenticationRefs": required}
    return [
        {"apiVersion": f"{group}/v1alpha1", "kind": "AuthorizationPolicy", "metadata": _meta("allow"), "spec": spec},
        {
            "apiVersion": f"{group}/v1alpha1",
            "kind": "MeshTLSAuthentication",
            "metadata": _meta("friend"),
            "spec": {"identities": [identity]},
        },
    ]


def home(*more: Doc) -> list[Doc]:
    """The client's cluster: `web` on pod server, its mirror behind the gateway, opaque `echo`, and pods."""
    return [
        *(pod(name) for name in ("client", "server", "second")),
        service("web", world.WEB),
        members("web", ["server"], 8080),
        service("web-west", world.WEST),
        mirrored("web-west", "web.default.svc.cluster.local"),
        service("echo", world.ECHO, 9000, {names.OPAQUE_PORTS_ANNOTATION: "9000"}),
        members("echo", ["server"], 9000),
        *more,
    ]


def away() -> list[Doc]:
    """The gateway's cluster: there `web` is pod second."""
    return [*(pod(n) for n in ("gateway", "second")), service("web", world.WEB), members("web", ["second"], 8080)]


def write(file: pathlib.Path, documents: list[Doc]) -> None:
    """Replaces the file in one step."""
    new = file.with_suffix(".new")
    new.write_text(json.dumps(documents))
    new.replace(file)
