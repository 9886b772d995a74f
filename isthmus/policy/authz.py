"""Read who may call. In: specs of AuthorizationPolicy, ServerAuthorization, MeshTLSAuthentication, NetworkAuthentication. Out: `Authz`.

What cannot be read, or refers to what does not exist, lets nobody in: a mistake must not open a port.
Never here: which of them apply to a port (see `inbound`). Limits: ENTRIES identities or networks of one object.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.models.meta_v1 import ObjectMeta

from isthmus import names, route, workload
from isthmus.errors import BadValue
from isthmus.rpc import inbound_pb2 as pb
from isthmus.rpc import meta_pb2, net_pb2

ENTRIES = 1000
EVERYWHERE = ("0.0.0.0/0", "::/0")

Spec = Mapping[str, Any]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Clients:
    """Identities that are let in: whole names, and suffixes that begin with a dot ("" lets every identity in)."""

    exact: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an object. `namespace` is "" where it is not said."""

    group: str
    kind: str
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """An AuthorizationPolicy: all of `required` must hold for a client of `target`."""

    key: names.Key
    target: Ref
    required: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Older:
    """A ServerAuthorization: for the Server of that name, or those that `selector` takes."""

    key: names.Key
    server: str
    selector: Spec | None
    authz: pb.Authz


def ip_address(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> net_pb2.IPAddress:
    """An address as the wire has it."""
    number = int(ip)
    if ip.version == 4:
        return net_pb2.IPAddress(ipv4=number)
    return net_pb2.IPAddress(ipv6=net_pb2.IPv6(first=number >> 64, last=number & ((1 << 64) - 1)))


def _network(net: Network, excepts: Sequence[Network] = ()) -> pb.Network:
    def one(n: Network) -> net_pb2.IPNetwork:
        return net_pb2.IPNetwork(ip=ip_address(n.network_address), prefix_len=n.prefixlen)

    return pb.Network(net=one(net), **{"except": [one(n) for n in excepts]})  # pyright: ignore[reportArgumentType]


def networks(blocks: Sequence[Network | str]) -> tuple[pb.Network, ...]:
    """Whole networks as the wire has them."""
    return tuple(_network(ipaddress.ip_network(b) if isinstance(b, str) else b) for b in blocks)


ALL = networks(EVERYWHERE)


def parse_networks(listed: object, key: str) -> tuple[pb.Network, ...]:
    """Networks with their exceptions.

    Raises:
        BadValue: one is malformed, an exception lies outside, or there is none.
    """
    entries = cast("Sequence[Spec]", listed or ())
    if not 0 < len(entries) <= ENTRIES:
        raise BadValue(key, f"{len(entries)} networks", "[{cidr: 10.0.0.0/8}]")
    found: list[pb.Network] = []
    for entry in entries:
        net = _cidr(entry.get("cidr"), key)
        excepts = [_cidr(e, key) for e in cast("Sequence[object]", entry.get("except") or ())]
        for inner in excepts:
            if inner.version != net.version or not inner.subnet_of(cast("Any", net)):
                raise BadValue(key, str(inner), f"a part of {net}", why="the exception lies outside its network")
        found.append(_network(net, excepts))
    return tuple(found)


def _cidr(text: object, key: str) -> Network:
    try:
        return ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        raise BadValue(key, text, '"10.0.0.0/8"', why="not a network") from None


def network_authentication(meta: ObjectMeta | None, spec: Spec) -> tuple[pb.Network, ...]:
    """What a NetworkAuthentication lets in."""
    return parse_networks(spec.get("networks"), f"spec.networks of NetworkAuthentication {workload.key_of(meta)}")


def mesh_tls(meta: ObjectMeta | None, spec: Spec, name: "Naming") -> Clients:
    """What a MeshTLSAuthentication lets in.

    Raises:
        BadValue: it names nobody, or refers to a kind that has no identity.
    """
    home = workload.key_of(meta)
    key = f"spec of MeshTLSAuthentication {home}"
    found = identities(cast("Sequence[object]", spec.get("identities") or ()), key)
    exact, suffixes = list(found.exact), list(found.suffixes)
    for listed in cast("Sequence[Spec]", spec.get("identityRefs") or ()):
        ref = reference(listed)
        if ref.kind == "ServiceAccount":
            exact.append(name.account(ref.name, ref.namespace or home.namespace))
        elif ref.kind == "Namespace":
            suffixes.append(name.namespace(ref.name))
        else:
            raise BadValue(key, ref.kind, "{kind: ServiceAccount, name: web}", why="has no identity")
    if not exact and not suffixes:
        raise BadValue(key, "nobody", 'identities: ["*"]', why="it must name somebody")
    return Clients(tuple(exact), tuple(suffixes))


@dataclass(frozen=True, slots=True)
class Naming:
    """How identities are written in this mesh."""

    control_ns: str
    trust_domain: str

    def account(self, name: str, namespace: str) -> str:
        return names.identity(name, namespace, self.control_ns, self.trust_domain)

    def namespace(self, name: str) -> str:
        return f".{name}.serviceaccount.identity.{self.control_ns}.{self.trust_domain}"


def identities(listed: Sequence[object], key: str) -> Clients:
    """`*`, `*.suffix` and whole names.

    Raises:
        BadValue: a star stands elsewhere, or there are too many.
    """
    if len(listed) > ENTRIES:
        raise BadValue(key, f"{len(listed)} identities", f"at most {ENTRIES}")
    texts = [str(text) for text in listed]
    for text in texts:
        if not text or "*" in text.removeprefix("*") or (text.startswith("*") and text[1:2] not in ("", ".")):
            raise BadValue(key, text, '"*.shop.serviceaccount.identity.linkerd.cluster.local"', why="not an identity")
    return Clients(tuple(t for t in texts if t[0] != "*"), tuple(t[1:] for t in texts if t[0] == "*"))


def reference(spec: Spec) -> Ref:
    """A reference as policies write it."""
    return Ref(
        str(spec.get("group") or ""), str(spec.get("kind")), str(spec.get("name")), str(spec.get("namespace") or "")
    )


def policy(meta: ObjectMeta | None, spec: Spec) -> Policy:
    """The AuthorizationPolicy that `spec` describes.

    Raises:
        BadValue: its target is in another namespace, or it asks for two of one sort.
    """
    key = workload.key_of(meta)
    target = reference(cast("Spec", spec.get("targetRef") or {}))
    if target.namespace not in ("", key.namespace):
        raise BadValue(
            f"spec.targetRef of AuthorizationPolicy {key}", target.namespace, key.namespace, why="not its own namespace"
        )
    required = tuple(reference(r) for r in cast("Sequence[Spec]", spec.get("requiredAuthenticationRefs") or ()))
    sorts = [r.kind == "NetworkAuthentication" for r in required]
    if sorts.count(True) > 1 or sorts.count(False) > 1:
        raise BadValue(
            f"spec.requiredAuthenticationRefs of AuthorizationPolicy {key}",
            f"{len(required)} references",
            "one MeshTLSAuthentication or ServiceAccount and one NetworkAuthentication",
            why="at most one of each sort",
        )
    return Policy(key, target, required)


def older(meta: ObjectMeta | None, spec: Spec, name: Naming) -> Older:
    """The ServerAuthorization that `spec` describes.

    Raises:
        BadValue: it selects no Server or lets nobody in.
    """
    home = workload.key_of(meta)
    key = f"spec.client of ServerAuthorization {home}"
    server, client = cast("Spec", spec.get("server") or {}), cast("Spec", spec.get("client") or {})
    if bool(server.get("name")) == (server.get("selector") is not None):
        raise BadValue(
            f"spec.server of ServerAuthorization {home}", dict(server), "{name: web}", why="name or selector"
        )
    nets = parse_networks(client["networks"], key) if client.get("networks") else ALL
    tls = cast("Spec | None", client.get("meshTLS"))
    if client.get("unauthenticated"):
        who = unauthenticated()
    elif tls and tls.get("unauthenticatedTLS"):
        who = pb.Authn(meshTLS=pb.Authn.PermitMeshTLS(unauthenticated=pb.Authn.PermitUnauthenticated()))
    elif tls:
        found = identities(cast("Sequence[object]", tls.get("identities") or ()), key)
        accounts = cast("Sequence[Spec]", tls.get("serviceAccounts") or ())
        exact = [name.account(str(a.get("name")), str(a.get("namespace") or home.namespace)) for a in accounts]
        who = authenticated(Clients((*found.exact, *exact), found.suffixes))
    else:
        raise BadValue(key, dict(client), "{unauthenticated: true}", why="it must let somebody in")
    authz = authz_of(nets, who, "serverauthorization", home)
    return Older(home, str(server.get("name") or ""), cast("Spec | None", server.get("selector")), authz)


def unauthenticated() -> pb.Authn:
    """Anybody, encrypted or not."""
    return pb.Authn(unauthenticated=pb.Authn.PermitUnauthenticated())


def authenticated(clients: Clients) -> pb.Authn:
    """Clients of the mesh with these identities."""
    permit = pb.Authn.PermitMeshTLS.PermitClientIdentities(
        identities=[pb.Identity(name=name) for name in clients.exact],
        suffixes=[pb.IdentitySuffix(parts=s.strip(".").split(".") if s else []) for s in clients.suffixes],
    )
    return pb.Authn(meshTLS=pb.Authn.PermitMeshTLS(identities=permit))


def authz_of(nets: Sequence[pb.Network], who: pb.Authn, kind: str, key: names.Key) -> pb.Authz:
    """An authorization that an object of ours gives."""
    labels = {"group": route.POLICY, "kind": kind, "name": key.name}
    resource = meta_pb2.Resource(group=route.POLICY, kind=kind, name=key.name, namespace=key.namespace)
    return pb.Authz(networks=nets, authentication=who, labels=labels, metadata=meta_pb2.Metadata(resource=resource))


def default_authz(name: str, nets: Sequence[pb.Network], who: pb.Authn) -> pb.Authz:
    """An authorization that holds where nobody says."""
    labels = {"group": "", "kind": "default", "name": name}
    return pb.Authz(networks=nets, authentication=who, labels=labels, metadata=meta_pb2.Metadata(default=name))


def by_name(name: str, cluster: Sequence[pb.Network]) -> tuple[pb.Authz, ...]:
    """The authorizations of a default policy; `deny` and names we do not know let nobody in."""
    anyone, meshed = unauthenticated(), authenticated(Clients(suffixes=("",)))
    rows = {
        "all-unauthenticated": (ALL, anyone),
        "all-authenticated": (ALL, meshed),
        "cluster-unauthenticated": (cluster, anyone),
        "cluster-authenticated": (cluster, meshed),
        "audit": (ALL, anyone),
    }
    return (default_authz(name, *rows[name]),) if name in rows else ()
