"""A policy world made of the objects of `tests.unit.destination.cluster`."""

from lightkube.resources.core_v1 import Pod, Service

from isthmus import names, route
from isthmus.kube import crds
from isthmus.policy import world
from tests.unit.destination.cluster import OPAQUE, custom

WEB = names.Key("shop", "web")
OUR_ID = "buyer.shop.serviceaccount.identity.linkerd.cluster.local"


def known(*objects, **mesh):
    """A world that holds the given objects."""
    found = world.World(world.Mesh(opaque=OPAQUE, **mesh))
    for one in objects:
        put(found, one)
    return found


def put(into, one):
    """Put any object in; returns the topics it touched."""
    rows = {
        Service: into.put_service,
        Pod: into.put_pod,
        crds.Server: into.put_server,
        crds.AuthorizationPolicy: into.put_policy,
        crds.ServerAuthorization: into.put_older,
        crds.MeshTLSAuthentication: into.put_clients,
        crds.NetworkAuthentication: into.put_nets,
        crds.HTTPLocalRateLimitPolicy: into.put_limit,
        crds.TrafficSplit: into.put_split,
        crds.HTTPRoute: lambda o: into.put_route(route.GATEWAY_API, "HTTPRoute", o),
        crds.LinkerdHTTPRoute: lambda o: into.put_route(route.POLICY, "HTTPRoute", o),
        crds.GRPCRoute: lambda o: into.put_route(route.GATEWAY_API, "GRPCRoute", o),
    }
    return rows[type(one)](one)


def grpc_route(rules, *, parent=None):
    ref = parent or {"group": "core", "kind": "Service", "name": "web"}
    return custom(crds.GRPCRoute, "calls", {"parentRefs": [ref], "rules": rules})


def server_route(name="admin", rules=({"matches": [{"path": {"type": "PathPrefix", "value": "/admin"}}]},)):
    ref = {"group": "policy.linkerd.io", "kind": "Server", "name": "srv"}
    return custom(crds.LinkerdHTTPRoute, name, {"parentRefs": [ref], "rules": list(rules)})


def authorization(target, *refs, name="policy", namespace="shop"):
    group = "" if target[0] == "Namespace" else "policy.linkerd.io"
    listed = [{"kind": kind, "name": ref, "group": "policy.linkerd.io"} for kind, ref in refs]
    spec = {"targetRef": {"group": group, "kind": target[0], "name": target[1]}, "requiredAuthenticationRefs": listed}
    return custom(crds.AuthorizationPolicy, name, spec, namespace)


def clients(*identities, refs=(), name="friends"):
    return custom(crds.MeshTLSAuthentication, name, {"identities": list(identities), "identityRefs": list(refs)})


def nets(*blocks, name="office"):
    return custom(
        crds.NetworkAuthentication, name, {"networks": [b if isinstance(b, dict) else {"cidr": b} for b in blocks]}
    )
