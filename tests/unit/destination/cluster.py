"""Kubernetes objects for the tests of the planes, written short."""

from typing import Any, TypeVar

from lightkube.resources.core_v1 import Node, Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names, units
from isthmus.destination import world
from isthmus.kube import crds

C = TypeVar("C", bound=crds.Custom)
OPAQUE = units.ports(names.OPAQUE_PORTS, key="test")
HERE = {names.CONTROL_PLANE_NS_LABEL: "linkerd"}


def service(name="web", ports=((80, "http"),), ip="10.96.0.1", *, notes=None, labels=None, app=None, **spec) -> Service:
    listed = [{"port": n, "name": word, "protocol": "TCP"} | ({"appProtocol": app} if app else {}) for n, word in ports]
    meta = {"name": name, "namespace": "shop", "annotations": notes or {}, "labels": labels or {}}
    found = Service.from_dict({"metadata": meta, "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": listed} | spec})
    assert isinstance(found, Service)
    return found


def endpoint(ip, pod=None, *, ready=True, **more):
    target = {"targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}} if pod else {}
    return {"addresses": [ip], "conditions": {"ready": ready}} | target | more


def slice_(*endpoints, name="web-1", service="web", ports=(("http", 8080),), notes=None, family="IPv4"):
    labels = {"kubernetes.io/service-name": service}
    listed = [{"name": n, "port": p, "protocol": "TCP"} for n, p in ports]
    meta = {"name": name, "namespace": "shop", "labels": labels, "annotations": notes or {}}
    return EndpointSlice.from_dict(
        {"metadata": meta, "addressType": family, "endpoints": list(endpoints), "ports": listed}
    )


def proxy(inbound=4143):
    env = {"INBOUND": inbound, "ADMIN": 4191, "CONTROL": 4190}
    listed = [{"name": f"LINKERD2_PROXY_{k}_LISTEN_ADDR", "value": f"0.0.0.0:{v}"} for k, v in env.items()]
    probe = {"httpGet": {"path": "/ready", "port": 4191}}
    return {"name": "linkerd-proxy", "env": listed, "readinessProbe": probe}


def pod(
    name="web-a", ip="10.0.0.1", *, meshed=True, notes=None, labels=None, ports=(), status=None, sidecar=True, **spec
):
    probe = {"httpGet": {"path": "/healthz?full=1", "port": 8080}}
    app = {"name": "app", "ports": [{"name": w, "containerPort": n} for w, n in ports], "livenessProbe": probe}
    inits, containers = ([proxy()] if meshed and sidecar else []), [app] + ([proxy()] if meshed and not sidecar else [])
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4", "uid": "u", "controller": True}
    meta = {
        "name": name,
        "namespace": "shop",
        "annotations": notes or {},
        "labels": (HERE if meshed else {}) | {"app": "web", "pod-template-hash": "5d4"} | (labels or {}),
        "ownerReferences": [owner],
    }
    body = {"serviceAccountName": "buyer", "nodeName": "n1", "containers": containers, "initContainers": inits} | spec
    state = {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": "192.0.2.1"} | (status or {})
    return Pod.from_dict({"metadata": meta, "spec": body, "status": state})


def node(name="n1", zone="z1"):
    return Node.from_dict({"metadata": {"name": name, "labels": {world.ZONE: zone} if zone else {}}})


def custom(
    kind: type[C], name: str, spec: dict[str, Any], namespace="shop", created="2026-01-01T00:00:00Z", notes=None
) -> C:
    meta = {"name": name, "namespace": namespace, "creationTimestamp": created, "annotations": notes or {}}
    found = kind.from_dict({"metadata": meta, "spec": spec})
    assert isinstance(found, kind)
    return found


def server(name="srv", *, port: int | str = 8080, protocol="opaque", created="2026-01-01T00:00:00Z", **spec):
    body = {"podSelector": {"matchLabels": {"app": "web"}}, "port": port, "proxyProtocol": protocol} | spec
    return custom(crds.Server, name, body, created=created)


def http_route(
    name="route", weights=None, *, parent="web", parent_ns="shop", port=None, namespace="shop", rules=None, notes=None
):
    backends = [{"name": n, "port": 80, "weight": w} for n, w in (weights or {"web": 1}).items()]
    ref = {"group": "core", "kind": "Service", "name": parent, "namespace": parent_ns} | (
        {"port": port} if port else {}
    )
    spec = {"parentRefs": [ref], "rules": [{"backendRefs": backends}] if rules is None else rules}
    return custom(crds.HTTPRoute, name, spec, namespace, notes=notes)


def traffic_split(name="ts", weights=None, root="web", created="2026-01-01T00:00:00Z"):
    backends = [{"service": n, "weight": w} for n, w in (weights or {"web": "500m", "web-west": "500m"}).items()]
    return custom(crds.TrafficSplit, name, {"service": root, "backends": backends}, created=created)


def profile(spec, namespace="shop", name="web.shop.svc.cluster.local"):
    return custom(crds.ServiceProfile, name, spec, namespace)


def known(*objects, **mesh):
    """A world that holds the given objects."""
    found = world.World(world.Mesh(opaque=OPAQUE, **mesh))
    for one in objects:
        put(found, one)
    return found


def put(into, one):
    """Put any object in; returns the topics it touched."""
    match one:
        case Service():
            return into.put_service(one)
        case Pod():
            return into.put_pod(one)
        case EndpointSlice():
            return into.put_slice(one)
        case Node():
            return into.put_node(one)
        case crds.Server():
            return into.put_server(one)
        case crds.ServiceProfile():
            return into.put_profile(one)
        case crds.TrafficSplit():
            return into.put_split(one)
        case crds.HTTPRoute():
            return into.put_route("gateway.networking.k8s.io", "HTTPRoute", one)
        case _:
            raise AssertionError(one)
