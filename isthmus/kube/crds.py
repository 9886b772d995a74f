"""Kinds that Kubernetes does not know by itself, as typed structs. In: JSON of the API. Out: metadata typed, `spec` and `status` as maps.

What a spec means is parsed at the door of the plane that reads it. One class per kind, at the version we read; the registry at the end
lets documents of these kinds be applied like any other. Never here: schemas (see `isthmus.install`), defaults, decisions.
"""

from typing import Any

from lightkube.core import resource
from lightkube.core.resource_registry import resource_registry
from lightkube.core.schema import DictMixin
from lightkube.models.meta_v1 import ObjectMeta

_VERBS = ["delete", "get", "global_list", "global_watch", "list", "patch", "post", "put", "watch"]


def _api(group: str, version: str, kind: str, plural: str) -> resource.ApiInfo:
    return resource.ApiInfo(resource.ResourceDef(group, version, kind), plural, _VERBS)


class Custom(DictMixin, omit_defaults=True):
    """What all our kinds have. `metadata` is None only in an object of our own making."""

    apiVersion: str | None = None  # noqa: N815 - the wire's name
    kind: str | None = None
    metadata: ObjectMeta | None = None
    spec: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it for each object
    status: dict[str, Any] = {}  # noqa: RUF012 - msgspec copies it for each object


class Link(resource.NamespacedResourceG, Custom):
    """Another cluster, and how to reach it."""

    _api_info = _api("multicluster.linkerd.io", "v1alpha3", "Link", "links")


class ServiceProfile(resource.NamespacedResourceG, Custom):
    """Routes, retries and splits of a service, as Linkerd had them before the Gateway API."""

    _api_info = _api("linkerd.io", "v1alpha2", "ServiceProfile", "serviceprofiles")


class Server(resource.NamespacedResourceG, Custom):
    """A port of some pods, and the protocol spoken there."""

    _api_info = _api("policy.linkerd.io", "v1beta3", "Server", "servers")


class ServerAuthorization(resource.NamespacedResourceG, Custom):
    """Who may call a Server (the older way)."""

    _api_info = _api("policy.linkerd.io", "v1beta1", "ServerAuthorization", "serverauthorizations")


class AuthorizationPolicy(resource.NamespacedResourceG, Custom):
    """Who may call a Server, a route or a namespace."""

    _api_info = _api("policy.linkerd.io", "v1alpha1", "AuthorizationPolicy", "authorizationpolicies")


class MeshTLSAuthentication(resource.NamespacedResourceG, Custom):
    """Clients known by their mesh identity."""

    _api_info = _api("policy.linkerd.io", "v1alpha1", "MeshTLSAuthentication", "meshtlsauthentications")


class NetworkAuthentication(resource.NamespacedResourceG, Custom):
    """Clients known by their network."""

    _api_info = _api("policy.linkerd.io", "v1alpha1", "NetworkAuthentication", "networkauthentications")


class HTTPLocalRateLimitPolicy(resource.NamespacedResourceG, Custom):
    """How many requests a second a Server takes."""

    _api_info = _api("policy.linkerd.io", "v1alpha1", "HTTPLocalRateLimitPolicy", "httplocalratelimitpolicies")


class LinkerdHTTPRoute(resource.NamespacedResourceG, Custom):
    """HTTPRoute of policy.linkerd.io."""

    _api_info = _api("policy.linkerd.io", "v1beta3", "HTTPRoute", "httproutes")


class HTTPRoute(resource.NamespacedResourceG, Custom):
    """HTTPRoute of the Gateway API."""

    _api_info = _api("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes")


class GRPCRoute(resource.NamespacedResourceG, Custom):
    """GRPCRoute of the Gateway API."""

    _api_info = _api("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes")


class TrafficSplit(resource.NamespacedResourceG, Custom):
    """Weights between Services, as SMI had them."""

    _api_info = _api("split.smi-spec.io", "v1alpha2", "TrafficSplit", "trafficsplits")


ROUTES: tuple[tuple[type[Custom], str, str], ...] = (
    (LinkerdHTTPRoute, "policy.linkerd.io", "HTTPRoute"),
    (HTTPRoute, "gateway.networking.k8s.io", "HTTPRoute"),
    (GRPCRoute, "gateway.networking.k8s.io", "GRPCRoute"),
)
"""The kinds that are routes, each with its API group and its word."""

KINDS: tuple[type[Custom], ...] = (
    Link,
    ServiceProfile,
    Server,
    ServerAuthorization,
    AuthorizationPolicy,
    MeshTLSAuthentication,
    NetworkAuthentication,
    LinkerdHTTPRoute,
    HTTPRoute,
    GRPCRoute,
    TrafficSplit,
)

for _kind in KINDS:
    resource_registry.register(_kind)  # pyright: ignore[reportArgumentType]  # each is a NamespacedResourceG too
