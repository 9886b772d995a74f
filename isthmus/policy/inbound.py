"""Who may call a pod's port, and what is spoken there. In: the world, a pod, a port. Out: inbound Server.

No Server: the pod's default policy, with a route that lets kubelet probe. A Server: its protocol, its routes, and what
ServerAuthorizations and AuthorizationPolicies say. Never here: clients' side (see `outbound`).
"""

from isthmus import names, route, workload
from isthmus.policy import authz, limits, rules, settings, world
from isthmus.rpc import grpc_route_pb2, http_route_pb2
from isthmus.rpc import inbound_pb2 as pb

DETECT = 10.0
_STRICTER = {"all-unauthenticated": "all-authenticated", "cluster-unauthenticated": "cluster-authenticated"}
_POLICIES = (*_STRICTER, *_STRICTER.values(), "deny", "audit")


def answer(known: world.World, pod: workload.Pod, port: int) -> pb.Server:
    """What holds for a port of a pod."""
    server = known.servers.choose(pod, port)
    return _default(known, pod, port) if server is None else _of_server(known, server, pod, port)


def default_policy(known: world.World, pod: workload.Pod, port: int) -> str:
    """The name of the policy where no Server speaks; a word we do not know counts as not said."""
    name = pod.inbound_policy if pod.inbound_policy in _POLICIES else known.mesh.inbound_policy
    return _STRICTER.get(name, name) if port in pod.identified else name


def _default(known: world.World, pod: workload.Pod, port: int) -> pb.Server:
    name = default_policy(known, pod, port)
    found = pb.Server(
        labels={"group": "", "kind": "default", "name": name},
        authorizations=authz.by_name(name, authz.networks(known.mesh.networks)),
    )
    if port in pod.opaque:
        found.protocol.opaque.SetInParent()
    else:
        found.protocol.detect.timeout.CopyFrom(settings.seconds(DETECT))
        found.protocol.detect.http_routes.extend(_default_routes(pod, port))
    return found


def _of_server(known: world.World, server: workload.Server, pod: workload.Pod, port: int) -> pb.Server:
    found = pb.Server(
        labels={"group": route.POLICY, "kind": "server", "name": server.key.name},
        authorizations=_authorizations(known, server),
    )
    http = _http_routes(known, server, port) or _default_routes(pod, port)
    limit = limits.of_server(known.rates.of(server.key.namespace), server.key)
    match server.protocol:
        case "HTTP/1":
            found.protocol.http1.CopyFrom(pb.ProxyProtocol.Http1(routes=http, local_rate_limit=limit))
        case "HTTP/2":
            found.protocol.http2.CopyFrom(pb.ProxyProtocol.Http2(routes=http, local_rate_limit=limit))
        case "gRPC":
            found.protocol.grpc.routes.extend(_grpc_routes(known, server, port) or [_default_grpc()])
        case "opaque":
            found.protocol.opaque.SetInParent()
        case "TLS":
            found.protocol.tls.SetInParent()
        case _:
            found.protocol.detect.timeout.CopyFrom(settings.seconds(DETECT))
            found.protocol.detect.http_routes.extend(http)
            if limit is not None:
                found.protocol.detect.http_local_rate_limit.CopyFrom(limit)
    return found


# Who


def _authorizations(known: world.World, server: workload.Server) -> list[pb.Authz]:
    """Everybody a Server lets in: by its own default, by older authorizations, by policies for it or its namespace."""
    namespace = server.key.namespace
    found = list(authz.by_name(server.access or "deny", authz.networks(known.mesh.networks)))
    for older in known.older.of(namespace):
        named = older.server == server.key.name if older.server else workload.selects(older.selector, server.labels)
        if named:
            found.append(older.authz)
    targets = ((route.POLICY, "Server", server.key.name), ("", "Namespace", namespace))
    return found + _policies(known, namespace, targets)


def _policies(known: world.World, namespace: str, targets: tuple[tuple[str, str, str], ...]) -> list[pb.Authz]:
    """The authorizations of policies with one of these targets (group, kind, name)."""
    found = (
        _of_policy(known, one)
        for one in known.policies.of(namespace)
        if (one.target.group.replace("core", ""), one.target.kind, one.target.name) in targets
    )
    return [one for one in found if one is not None]


def _of_policy(known: world.World, policy: authz.Policy) -> pb.Authz | None:
    """What a policy asks for; None where it refers to something that does not exist, so that nobody gets in by it."""
    nets, who = authz.ALL, authz.unauthenticated()
    for ref in policy.required:
        key = names.Key(ref.namespace or policy.key.namespace, ref.name)
        match ref.kind:
            case "NetworkAuthentication":
                found = known.nets.get(key)
                if found is None:
                    return None
                nets = found
            case "MeshTLSAuthentication":
                clients = known.clients.get(key)
                if clients is None:
                    return None
                who = authz.authenticated(clients)
            case "ServiceAccount":
                who = authz.authenticated(authz.Clients(exact=(known.naming.account(key.name, key.namespace),)))
            case _:
                return None
    return authz.authz_of(nets, who, "authorizationpolicy", policy.key)


# What


def _default_routes(pod: workload.Pod, port: int) -> list[pb.HttpRoute]:
    """Everything, and before it kubelet's probes, which come without identity."""
    everything = pb.HttpRoute(metadata=rules.default("default"))
    everything.rules.add(matches=[rules.http_match(route.Match(("prefix", "/")))])
    paths = sorted(pod.probes.get(port, ()))
    if not paths:
        return [everything]
    probe = pb.HttpRoute(metadata=rules.default("probe"))
    probe.authorizations.append(authz.default_authz("probe", authz.ALL, authz.unauthenticated()))
    probe.rules.add(
        matches=[
            http_route_pb2.HttpRouteMatch(path=http_route_pb2.PathMatch(exact=path), method=rules.method("GET"))
            for path in paths
        ]
    )
    return [probe, everything]


def _default_grpc() -> pb.GrpcRoute:
    found = pb.GrpcRoute(metadata=rules.default("default"))
    found.rules.add(matches=[grpc_route_pb2.GrpcRouteMatch()])
    return found


def _http_routes(known: world.World, server: workload.Server, port: int) -> list[pb.HttpRoute]:
    found: list[pb.HttpRoute] = []
    for one in known.claims.server_routes(server.key, port, "HTTPRoute"):
        made = pb.HttpRoute(
            metadata=rules.metadata(one),
            hosts=[rules.host(h) for h in one.hosts],
            authorizations=_policies(known, one.key.namespace, ((one.group, one.kind, one.key.name),)),
        )
        for rule in one.rules:
            filters = [f for f in map(_http_filter, rule.filters) if f is not None]
            made.rules.add(matches=[rules.http_match(m) for m in rule.matches], filters=filters)
        found.append(made)
    return found


def _http_filter(one: route.Filter) -> pb.HttpRoute.Filter | None:
    if isinstance(one, route.Redirect):
        return pb.HttpRoute.Filter(redirect=rules.redirect(one))
    if one.side == "request":
        return pb.HttpRoute.Filter(request_header_modifier=rules.request_headers(one))
    return None  # the inbound API has no way to change answers


def _grpc_routes(known: world.World, server: workload.Server, port: int) -> list[pb.GrpcRoute]:
    found: list[pb.GrpcRoute] = []
    for one in known.claims.server_routes(server.key, port, "GRPCRoute"):
        made = pb.GrpcRoute(
            metadata=rules.metadata(one),
            hosts=[rules.host(h) for h in one.hosts],
            authorizations=_policies(known, one.key.namespace, ((one.group, one.kind, one.key.name),)),
        )
        for rule in one.rules:
            changes = (f for f in rule.filters if isinstance(f, route.Headers) and f.side == "request")
            filters = [pb.GrpcRoute.Filter(request_header_modifier=rules.request_headers(f)) for f in changes]
            made.rules.add(matches=[rules.grpc_match(m) for m in rule.matches], filters=filters)
        found.append(made)
    return found
