"""How a client's traffic to an address or a name is routed. In: the world, a target, the client's namespace. Out: OutboundPolicy.

For HTTP: routes with rules, else the TrafficSplit, else the Service itself; for opaque bytes: the TrafficSplit, else the Service.
What a ServiceProfile overrides is destination's to say (docs/decisions/0003-split-precedence.md).
Never here: endpoints. Limits: those of the kinds' schemas.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus import names, route, service
from isthmus.policy import authz, rules, settings, world
from isthmus.rpc import grpc_route_pb2, http_route_pb2, meta_pb2, net_pb2, opaque_route_pb2
from isthmus.rpc import outbound_pb2 as pb
from isthmus.serve import refusal

DETECT = 10.0
FAILFAST = 3.0
# Proxies of ours hold to it while a backend has nobody ready; Linkerd's have their environment's, which is as much.
QUEUE = 10_000
_ANY = route.Match(("prefix", "/"))


@dataclass(frozen=True, slots=True)
class Arm:
    """One branch of a split. `broken` says why requests that take it fail; "" when it can be used."""

    backend: pb.Backend
    weight: int = 1
    broken: str = ""
    filters: tuple[route.Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class _Target:
    """A Service's port as one client sees it, with the settings that hold for it."""

    known: world.World
    service: service.Service
    port: int
    traffic: settings.Traffic

    def balance(self, key: names.Key, port: int) -> pb.Backend:
        """A balanced backend."""
        found = pb.Backend(metadata=_service(key, port), queue=queue())
        host = names.fq_service(key.name, key.namespace, self.known.mesh.cluster_domain)
        found.balancer.discovery.dst.path = f"{host}:{port}"
        self.traffic.load(found.balancer)
        return found

    def itself(self) -> list[Arm]:
        return [Arm(self.balance(self.service.key, self.port))]

    def split(self) -> list[Arm]:
        """What the TrafficSplit says; nothing where there is none."""
        ruling = self.known.claims.split(self.service.key)
        return [self._arm(key, self.port, weight) for key, weight in ruling.backends] if ruling else []

    def arms(self, rule: route.Rule) -> list[Arm]:
        """What a rule's backends say; nothing where it has none."""
        return [self._named(b) for b in rule.backends]

    def _named(self, one: route.Backend) -> Arm:
        if not one.service:
            return Arm(broken(), one.weight, f"{one.kind} is no kind of backend")
        if one.port is None:
            return Arm(broken(), one.weight, f"the reference to Service {one.key} has no port")
        return self._arm(one.key, one.port, one.weight, one.filters)

    def _arm(self, key: names.Key, port: int, weight: int, filters: tuple[route.Filter, ...] = ()) -> Arm:
        if key not in self.known.services:
            return Arm(broken(), weight, f"Service {key} does not exist")
        return Arm(self.balance(key, port), weight, filters=filters)


def queue() -> pb.Queue:
    return pb.Queue(capacity=QUEUE, failfast_timeout=settings.seconds(FAILFAST))


def broken() -> pb.Backend:
    """A backend that leads nowhere; a filter answers in its place."""
    return pb.Backend(metadata=rules.default("invalid"), queue=queue())


def _service(key: names.Key, port: int) -> meta_pb2.Metadata:
    return meta_pb2.Metadata(
        resource=meta_pb2.Resource(group="core", kind="Service", name=key.name, namespace=key.namespace, port=port)
    )


# The three questions


def by_address(known: world.World, ip: str, port: int, client_ns: str) -> pb.OutboundPolicy:
    """The policy of a cluster IP's port, or of an address outside the cluster.

    Raises:
        refusal.Refused: an address of the cluster that is no Service's (missing), or two Services' (conflict).
    """
    found = known.services_at(ip)
    if len(found) > 1:
        raise refusal.Refused("conflict", f"{ip} belongs to Services {found[0].key} and {found[1].key}")
    if found and found[0].port(port) is None:
        return _undeclared(found[0].key, port)
    if found:
        return of_service(known, found[0], port, client_ns)
    if known.mesh.inside(ip):
        raise refusal.Refused("missing", f"{ip} is no Service's")
    return _egress(ip, port)


def by_name(known: world.World, key: names.Key, port: int, client_ns: str) -> pb.OutboundPolicy:
    """The policy of a Service's port.

    Raises:
        refusal.Refused: there is no such Service.
    """
    found = known.services.get(key)
    if found is None or found.external:
        raise refusal.Refused("missing", f"there is no Service {key}")
    return of_service(known, found, port, client_ns)


def of_service(known: world.World, found: service.Service, port: int, client_ns: str) -> pb.OutboundPolicy:
    """The policy of a Service's port for clients of a namespace."""
    target = _Target(known, found, port, known.traffic[found.key])
    answer = pb.OutboundPolicy(metadata=_service(found.key, port))
    grpc = known.claims.routes(found.key, port, client_ns, "GRPCRoute")
    match found.protocol(port):
        case "opaque":
            answer.protocol.opaque.routes.append(_opaque(target))
        case "http1":
            _fill_http(answer.protocol.http1, target, client_ns)
        case "http2" if not grpc:
            _fill_http(answer.protocol.http2, target, client_ns)
        case "detect" if not grpc:
            answer.protocol.detect.timeout.CopyFrom(settings.seconds(DETECT))
            answer.protocol.detect.opaque.routes.append(_opaque(target))
            _fill_http(answer.protocol.detect.http1, target, client_ns)
            answer.protocol.detect.http2.CopyFrom(_as_http2(answer.protocol.detect.http1))
        case _:
            answer.protocol.grpc.routes.extend(_grpc_route(target, one) for one in grpc)
            if target.traffic.accrual:
                answer.protocol.grpc.failure_accrual.CopyFrom(target.traffic.accrual)
    return answer


def _as_http2(one: pb.ProxyProtocol.Http1) -> pb.ProxyProtocol.Http2:
    found = pb.ProxyProtocol.Http2(routes=one.routes)
    if one.HasField("failure_accrual"):
        found.failure_accrual.CopyFrom(one.failure_accrual)
    return found


def _fill_http(into: pb.ProxyProtocol.Http1 | pb.ProxyProtocol.Http2, target: _Target, client_ns: str) -> None:
    ruling = target.known.claims.routes(target.service.key, target.port, client_ns, "HTTPRoute")
    into.routes.extend([_http_route(target, one) for one in ruling] or [_default_http(target)])
    if target.traffic.accrual:
        into.failure_accrual.CopyFrom(target.traffic.accrual)


# HTTP


def _default_http(target: _Target) -> pb.HttpRoute:
    """The route that holds where nobody wrote one: the TrafficSplit, or the Service itself."""
    ruling, arms = target.known.claims.split(target.service.key), target.split()
    meta = rules.default("http")
    if ruling is not None:
        key = ruling.key
        meta.resource.CopyFrom(
            meta_pb2.Resource(group="split.smi-spec.io", kind="TrafficSplit", name=key.name, namespace=key.namespace)
        )
    found = pb.HttpRoute(metadata=meta)
    found.rules.append(_http_rule(target, route.Rule((_ANY,)), arms, target.traffic))
    return found


def _http_route(target: _Target, one: route.Route) -> pb.HttpRoute:
    traffic = settings.read(one.annotations, "")[0]
    found = pb.HttpRoute(metadata=rules.metadata(one), hosts=[rules.host(h) for h in one.hosts])
    found.rules.extend(
        _http_rule(target, rule, target.arms(rule), _with_rule(traffic, rule, target)) for rule in one.rules
    )
    return found


def _with_rule(own: settings.Traffic, rule: route.Rule, target: _Target) -> settings.Traffic:
    """A route's annotations, then its rule's timeouts, then the Service's annotations."""
    of_rule = settings.Traffic(request=rule.request_timeout, response=rule.backend_timeout)
    return own.over(of_rule).over(target.traffic)


def _http_rule(target: _Target, rule: route.Rule, arms: Sequence[Arm], traffic: settings.Traffic) -> pb.HttpRoute.Rule:
    found = pb.HttpRoute.Rule(
        matches=[rules.http_match(m) for m in rule.matches], filters=[_http_filter(f) for f in rule.filters]
    )
    if arms and not any(arm.weight for arm in arms):
        found.filters.append(_http_failure("no backend has a weight above 0"))
    _distribute(found.backends, pb.HttpRoute, arms or target.itself(), weighted=bool(arms))
    _limits(found, traffic)
    if traffic.retries:
        _retry(found.retry, traffic.retries)
        ranges = pb.HttpRoute.Retry.Conditions.StatusRange
        found.retry.conditions.status_ranges.extend(ranges(start=a, end=b) for a, b in traffic.retries.status)
        found.retry.conditions.SetInParent()
    return found


def _http_filter(one: route.Filter) -> pb.HttpRoute.Filter:
    if isinstance(one, route.Redirect):
        return pb.HttpRoute.Filter(redirect=rules.redirect(one))
    if one.side == "request":
        return pb.HttpRoute.Filter(request_header_modifier=rules.request_headers(one))
    return pb.HttpRoute.Filter(response_header_modifier=rules.response_headers(one))


def _http_failure(why: str) -> pb.HttpRoute.Filter:
    return pb.HttpRoute.Filter(failure_injector=http_route_pb2.HttpFailureInjector(status=500, message=why))


# gRPC


def _grpc_route(target: _Target, one: route.Route) -> pb.GrpcRoute:
    traffic = settings.read(one.annotations, "")[0]
    found = pb.GrpcRoute(metadata=rules.metadata(one), hosts=[rules.host(h) for h in one.hosts])
    found.rules.extend(_grpc_rule(target, rule, _with_rule(traffic, rule, target)) for rule in one.rules)
    return found


def _grpc_rule(target: _Target, rule: route.Rule, traffic: settings.Traffic) -> pb.GrpcRoute.Rule:
    arms = target.arms(rule)
    found = pb.GrpcRoute.Rule(
        matches=[rules.grpc_match(m) for m in rule.matches],
        filters=[f for f in map(_grpc_filter, rule.filters) if f is not None],
    )
    if arms and not any(arm.weight for arm in arms):
        found.filters.append(_grpc_failure("no backend has a weight above 0"))
    _distribute(found.backends, pb.GrpcRoute, arms or target.itself(), weighted=bool(arms))
    _limits(found, traffic)
    if traffic.retries:
        _retry(found.retry, traffic.retries)
        for word in traffic.retries.codes:
            # The wire's own spelling of one of them.
            setattr(found.retry.conditions, word.replace("-", "_").replace("deadline", "deadine"), True)
        found.retry.conditions.SetInParent()
    return found


def _grpc_filter(one: route.Filter) -> pb.GrpcRoute.Filter | None:
    if isinstance(one, route.Headers) and one.side == "request":
        return pb.GrpcRoute.Filter(request_header_modifier=rules.request_headers(one))
    return None


def _grpc_failure(why: str) -> pb.GrpcRoute.Filter:
    unavailable = 14
    return pb.GrpcRoute.Filter(failure_injector=grpc_route_pb2.GrpcFailureInjector(code=unavailable, message=why))


# Opaque


def _opaque(target: _Target) -> pb.OpaqueRoute:
    arms = target.split()
    found = pb.OpaqueRoute(metadata=rules.default("opaque"))
    rule = found.rules.add()
    if arms and not any(arm.weight for arm in arms):
        rule.filters.add(invalid=opaque_route_pb2.Invalid(message="no backend has a weight above 0"))
    _distribute(rule.backends, pb.OpaqueRoute, arms or target.itself(), weighted=bool(arms))
    return found


def _opaque_filter(_one: route.Filter) -> pb.OpaqueRoute.Filter | None:
    return None  # bytes nobody looks into have no headers


def _opaque_failure(why: str) -> pb.OpaqueRoute.Filter:
    return pb.OpaqueRoute.Filter(invalid=opaque_route_pb2.Invalid(message=why))


# What the three have in common: their messages have the same shape and no common type, hence Any.


def _distribute(into: Any, of: Any, arms: Sequence[Arm], *, weighted: bool) -> None:
    """Backends by weight, or the first that is available. `of` is the route's message class."""
    failure, plain = {
        pb.HttpRoute: (_http_failure, _http_filter),
        pb.GrpcRoute: (_grpc_failure, _grpc_filter),
        pb.OpaqueRoute: (_opaque_failure, _opaque_filter),
    }[of]
    for arm in arms:
        made: Any = of.RouteBackend(backend=arm.backend)
        made.filters.extend(f for f in map(plain, arm.filters) if f is not None)
        if arm.broken:
            made.filters.append(failure(arm.broken))
        if weighted:
            into.random_available.backends.add(backend=made, weight=arm.weight)
        else:
            into.first_available.backends.append(made)


def _limits(into: pb.HttpRoute.Rule | pb.GrpcRoute.Rule, traffic: settings.Traffic) -> None:
    if traffic.request is not None:
        into.timeouts.request.CopyFrom(settings.seconds(traffic.request))
    if traffic.idle is not None:
        into.timeouts.idle.CopyFrom(settings.seconds(traffic.idle))
    if traffic.response is not None:
        into.timeouts.response.CopyFrom(settings.seconds(traffic.response))
        into.requestTimeout.CopyFrom(settings.seconds(traffic.response))  # what older proxies read


def _retry(into: pb.HttpRoute.Retry | pb.GrpcRoute.Retry, chosen: settings.Retries) -> None:
    into.max_retries, into.max_request_bytes = chosen.limit, settings.RETRY_BODY
    low, high = settings.RETRY_BACKOFF
    into.backoff.min_backoff.CopyFrom(settings.seconds(low))
    into.backoff.max_backoff.CopyFrom(settings.seconds(high))
    into.backoff.jitter_ratio = 1.0
    if chosen.timeout is not None:
        into.timeout.CopyFrom(settings.seconds(chosen.timeout))


# Neither a Service's port


def _undeclared(key: names.Key, port: int) -> pb.OutboundPolicy:
    """A Service's address at a port it does not declare: nothing goes there."""
    answer = pb.OutboundPolicy(metadata=_service(key, port))
    one = answer.protocol.opaque.routes.add(metadata=rules.default("undefined-port"))
    rule = one.rules.add()
    rule.backends.empty.SetInParent()
    rule.filters.add(forbidden=opaque_route_pb2.Forbidden())
    return answer


def _egress(ip: str, port: int) -> pb.OutboundPolicy:
    """An address outside the cluster: on to where the client meant to go."""
    meta = rules.default("egress-fallback")
    backend = pb.Backend(metadata=meta, queue=queue())
    address = net_pb2.TcpAddress(ip=authz.ip_address(ipaddress.ip_address(ip)), port=port)
    backend.forward.addr.CopyFrom(address)
    backend.forward.weight = 1
    answer = pb.OutboundPolicy(metadata=meta)
    detect = answer.protocol.detect
    detect.timeout.CopyFrom(settings.seconds(DETECT))
    for http in (detect.http1, detect.http2):
        rule = http.routes.add(metadata=meta).rules.add(matches=[rules.http_match(_ANY)])
        _distribute(rule.backends, pb.HttpRoute, [Arm(backend)], weighted=False)
    _distribute(
        detect.opaque.routes.add(metadata=meta).rules.add().backends, pb.OpaqueRoute, [Arm(backend)], weighted=False
    )
    return answer
