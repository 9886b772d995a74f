"""Parts of routes as the wire has them. In: `isthmus.route` values. Out: messages of http_route and grpc_route.

Never here: choices about parents, backends or clients.
"""

from collections.abc import Iterable

from isthmus import route
from isthmus.rpc import grpc_route_pb2, http_route_pb2, http_types_pb2, meta_pb2

_METHODS = http_types_pb2.HttpMethod.Registered
_SCHEMES = {"http": "HTTP", "https": "HTTPS"}


def method(word: str) -> http_types_pb2.HttpMethod:
    """An HTTP method: one of the known nine, or by its word."""
    if word in _METHODS.keys():
        return http_types_pb2.HttpMethod(registered=word)
    return http_types_pb2.HttpMethod(unregistered=word)


def host(text: str) -> http_route_pb2.HostMatch:
    """A host name, or `*.suffix`, whose labels the wire has in reverse."""
    if text.startswith("*."):
        labels = list(reversed(text.removeprefix("*.").split(".")))
        return http_route_pb2.HostMatch(suffix=http_route_pb2.HostMatch.Suffix(reverse_labels=labels))
    return http_route_pb2.HostMatch(exact=text)


def http_match(match: route.Match) -> http_route_pb2.HttpRouteMatch:
    how, value = match.path or ("prefix", "/")
    found = http_route_pb2.HttpRouteMatch(headers=[_header(h) for h in match.headers])
    setattr(found.path, how, value)
    for one in match.query:
        query = found.query_params.add(name=one.name)
        setattr(query, one.how, one.value)
    if match.method:
        found.method.CopyFrom(method(match.method))
    return found


def grpc_match(match: route.Match) -> grpc_route_pb2.GrpcRouteMatch:
    service, call = match.rpc
    found = grpc_route_pb2.GrpcRouteMatch(headers=[_header(h) for h in match.headers])
    if service or call:
        found.rpc.CopyFrom(grpc_route_pb2.GrpcRpcMatch(service=service, method=call))
    return found


def _header(one: route.Value) -> http_route_pb2.HeaderMatch:
    if one.how == "exact":
        return http_route_pb2.HeaderMatch(name=one.name, exact=one.value.encode())
    return http_route_pb2.HeaderMatch(name=one.name, regex=one.value)


def _headers(pairs: Iterable[tuple[str, str]]) -> http_types_pb2.Headers:
    header = http_types_pb2.Headers.Header
    return http_types_pb2.Headers(headers=[header(name=name, value=value.encode()) for name, value in pairs])


def request_headers(change: route.Headers) -> http_route_pb2.RequestHeaderModifier:
    return http_route_pb2.RequestHeaderModifier(
        add=_headers(change.add), set=_headers(change.set), remove=list(change.remove)
    )


def response_headers(change: route.Headers) -> http_route_pb2.ResponseHeaderModifier:
    return http_route_pb2.ResponseHeaderModifier(
        add=_headers(change.add), set=_headers(change.set), remove=list(change.remove)
    )


def redirect(to: route.Redirect) -> http_route_pb2.RequestRedirect:
    found = http_route_pb2.RequestRedirect(host=to.host, port=to.port, status=to.status)
    if to.scheme in _SCHEMES:
        found.scheme.CopyFrom(http_types_pb2.Scheme(registered=_SCHEMES[to.scheme]))
    elif to.scheme:
        found.scheme.unregistered = to.scheme
    if to.path:
        setattr(found.path, to.path[0], to.path[1])
    return found


def metadata(found: route.Route) -> meta_pb2.Metadata:
    """A reference to a route."""
    key = found.key
    return meta_pb2.Metadata(
        resource=meta_pb2.Resource(group=found.group, kind=found.kind, name=key.name, namespace=key.namespace)
    )


def default(name: str) -> meta_pb2.Metadata:
    """A reference to something nobody wrote."""
    return meta_pb2.Metadata(default=name)
