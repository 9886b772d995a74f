"""Who may call whom, in words. In: Servers, what lets clients in, requests by Server. Out: `Policy`, and the rules of one workload.

The words are for people; what holds is decided by the policy plane (see `isthmus.policy.inbound`). Never here: who is asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from isthmus import names, workload
from isthmus.dashboard import shapes, shapes_more
from isthmus.dashboard.pages import common
from isthmus.kube import crds
from isthmus.rpc import insight_pb2

Doc = Mapping[str, Any]
POLICY = "policy.linkerd.io"


@dataclass(frozen=True, slots=True)
class Seen:
    """One cluster's policy objects, and what was asked of its workloads. `default` holds where no Server speaks."""

    servers: Sequence[crds.Server] = ()
    policies: Sequence[crds.AuthorizationPolicy] = ()
    older: Sequence[crds.ServerAuthorization] = ()
    clients: Sequence[crds.MeshTLSAuthentication] = ()
    networks: Sequence[crds.NetworkAuthentication] = ()
    inbound: Sequence[insight_pb2.InboundRow] = ()
    edges: Sequence[insight_pb2.GraphEdge] = ()
    default: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """One way in: the object that opens it, and for whom."""

    kind: str
    name: str
    route: str
    clients: tuple[str, ...]


DEFAULTS = {
    "all-unauthenticated": "everybody",
    "all-authenticated": "every meshed client",
    "cluster-unauthenticated": "everybody in the cluster's networks",
    "cluster-authenticated": "every meshed client in the cluster's networks",
    "deny": "nobody",
    "audit": "everybody; what a policy would deny is logged",
}


def policy(seen: Mapping[str, Seen], query: common.Query, head: shapes.Head) -> shapes_more.Policy:
    """Every way into every Server, and every refusal of the window."""
    permissions: list[shapes_more.Permission] = []
    denials: list[shapes_more.Denial] = []
    for cluster, one in seen.items():
        for server in sorted(one.servers, key=lambda s: str(workload.key_of(s.metadata))):
            if query.namespace in ("", workload.key_of(server.metadata).namespace):
                permissions += _permissions(cluster, one, server)
        denials += _denials(cluster, one, query)
    defaults = {cluster: DEFAULTS.get(one.default, one.default or "not known") for cluster, one in seen.items()}
    return shapes_more.Policy(head, defaults, permissions, sorted(denials, key=lambda d: -d.rps))


def _permissions(cluster: str, seen: Seen, server: crds.Server) -> list[shapes_more.Permission]:
    key = workload.key_of(server.metadata)
    asked = [r for r in seen.inbound if r.subject.namespace == key.namespace and r.server == key.name]
    allowed, denied = sum(r.golden.rps for r in asked), sum(r.denied_rps for r in asked)
    ways = ways_into(seen, server) or [Way("", "", "", ())]
    return [
        shapes_more.Permission(
            cluster=cluster,
            namespace=key.namespace,
            server=key.name,
            port=str(server.spec.get("port") or ""),
            protocol=str(server.spec.get("proxyProtocol") or "unknown"),
            workloads=sorted({f"{r.subject.kind}/{r.subject.name}" for r in asked}) or [_selector(server)],
            route=way.route,
            kind=way.kind,
            name=way.name,
            clients=list(way.clients) or ["nobody"],
            allowed_rps=common.number(allowed) if asked else None,
            denied_rps=common.number(denied) if asked else None,
        )
        for way in ways
    ]


def _selector(server: crds.Server) -> str:
    chosen = cast("Doc", server.spec.get("podSelector") or server.spec.get("externalWorkloadSelector") or {})
    labels = cast("Doc", chosen.get("matchLabels") or {})
    return "pods with " + ",".join(f"{k}={v}" for k, v in labels.items()) if labels else "pods of its selector"


def ways_into(seen: Seen, server: crds.Server) -> list[Way]:
    """The default of a Server and every object that lets somebody in."""
    key = workload.key_of(server.metadata)
    access = str(server.spec.get("accessPolicy") or "deny")
    ways = [] if access == "deny" else [Way("Server", key.name, "", (DEFAULTS.get(access, access),))]
    for one in seen.policies:
        at, target = workload.key_of(one.metadata), cast("Doc", one.spec.get("targetRef") or {})
        if at.namespace != key.namespace:
            continue
        route = _route(target)
        named = (target.get("kind"), target.get("name")) in (("Server", key.name), ("Namespace", key.namespace))
        if named or route:
            refs = cast("Sequence[Doc]", one.spec.get("requiredAuthenticationRefs") or ())
            ways.append(Way("AuthorizationPolicy", at.name, route, _clients(seen, at.namespace, refs)))
    for old in seen.older:
        at = workload.key_of(old.metadata)
        said = cast("Doc", old.spec.get("server") or {})
        if at.namespace == key.namespace and (
            said.get("name") == key.name or workload.selects(said.get("selector"), workload.labels_of(server.metadata))
        ):
            ways.append(Way("ServerAuthorization", at.name, "", _older(cast("Doc", old.spec.get("client") or {}))))
    return ways


def _route(target: Doc) -> str:
    kind = str(target.get("kind") or "")
    return f"{kind} {target.get('name')}" if kind in ("HTTPRoute", "GRPCRoute") else ""


def _clients(seen: Seen, namespace: str, refs: Sequence[Doc]) -> tuple[str, ...]:
    """Whom a policy lets in. All its references must hold, so each narrows the other."""
    who: list[str] = []
    where: list[str] = []
    for ref in refs:
        key = names.Key(str(ref.get("namespace") or namespace), str(ref.get("name")))
        match ref.get("kind"):
            case "ServiceAccount":
                who.append(f"ServiceAccount {key}")
            case "MeshTLSAuthentication":
                who += _identities(next((c for c in seen.clients if workload.key_of(c.metadata) == key), None), key)
            case "NetworkAuthentication":
                where += _networks(next((n for n in seen.networks if workload.key_of(n.metadata) == key), None), key)
            case _:
                who.append(f"nobody: {ref.get('kind')} {key} is not known")
    within = f" from {', '.join(where)}" if where else ""
    return tuple(f"{one}{within}" for one in who or ["everybody"])


def _identities(found: crds.MeshTLSAuthentication | None, key: names.Key) -> list[str]:
    if found is None:
        return [f"nobody: MeshTLSAuthentication {key} is missing"]
    plain = [
        "every meshed client" if i == "*" else str(i) for i in cast("Sequence[str]", found.spec.get("identities") or ())
    ]
    refs = cast("Sequence[Doc]", found.spec.get("identityRefs") or ())
    return plain + [_ref(ref, key.namespace) for ref in refs]


def _ref(ref: Doc, namespace: str) -> str:
    if ref.get("kind") == "Namespace":
        return f"every account of namespace {ref.get('name') or namespace}"
    return f"{ref.get('kind')} {ref.get('namespace') or namespace}/{ref.get('name')}"


def _networks(found: crds.NetworkAuthentication | None, key: names.Key) -> list[str]:
    if found is None:
        return [f"nowhere: NetworkAuthentication {key} is missing"]
    listed = [str(n.get("cidr")) for n in cast("Sequence[Doc]", found.spec.get("networks") or ())]
    return ["any network"] if {"0.0.0.0/0", "::/0"} & set(listed) else listed


def _older(client: Doc) -> tuple[str, ...]:
    if client.get("unauthenticated"):
        return ("everybody",)
    tls = cast("Doc", client.get("meshTLS") or {})
    if tls.get("unauthenticatedTLS"):
        return ("everybody with TLS",)
    accounts = cast("Sequence[Doc]", tls.get("serviceAccounts") or ())
    listed = [f"ServiceAccount {a.get('namespace') or 'its own namespace'}/{a.get('name')}" for a in accounts]
    named = ["every meshed client" if i == "*" else str(i) for i in cast("Sequence[str]", tls.get("identities") or ())]
    return tuple(listed + named) or ("nobody",)


def _denials(cluster: str, seen: Seen, query: common.Query) -> list[shapes_more.Denial]:
    """Refusals by client where the graph tells it, else by Server."""
    found: list[shapes_more.Denial] = []
    told: set[tuple[str, str, str]] = set()
    for edge in seen.edges:
        if edge.denied_rps > 0 and query.namespace in ("", edge.target.namespace):
            target = common.subject(cluster, edge.target)
            told.add((target.namespace, target.kind, target.name))
            who = f"{edge.source.kind}/{edge.source.name}.{edge.source.namespace}" if edge.source.name else ""
            found.append(
                shapes_more.Denial(cluster, who, target, "", common.number(edge.denied_rps), "denied by policy")
            )
    for row in seen.inbound:
        at = (row.subject.namespace, row.subject.kind, row.subject.name)
        if row.denied_rps > 0 and at not in told and query.namespace in ("", row.subject.namespace):
            target = common.subject(cluster, row.subject)
            found.append(
                shapes_more.Denial(cluster, "", target, row.server, common.number(row.denied_rps), "denied by policy")
            )
    return found


def rules(seen: Seen, labels: Sequence[Mapping[str, str]], subject: shapes.Subject) -> list[shapes.Rule]:
    """The ways into one workload: of every Server that selects one of its pods, or that was seen speaking for it."""
    asked = [r for r in seen.inbound if (r.subject.kind, r.subject.name) == (subject.kind, subject.name)]
    found: list[shapes.Rule] = []
    for server in seen.servers:
        key = workload.key_of(server.metadata)
        if key.namespace != subject.namespace:
            continue
        rows = [r for r in asked if r.server == key.name]
        if not rows and not any(workload.selects(server.spec.get("podSelector"), one) for one in labels):
            continue
        rates = (common.number(sum(r.golden.rps for r in rows)), common.number(sum(r.denied_rps for r in rows)))
        port, protocol = str(server.spec.get("port") or ""), str(server.spec.get("proxyProtocol") or "unknown")
        found += [
            shapes.Rule(key.name, port, protocol, w.kind, w.name, _says(w), *(rates if rows else (None, None)))
            for w in ways_into(seen, server) or [Way("Server", key.name, "", ())]
        ]
    return found or [shapes.Rule("", "", "", "default", seen.default, _default(seen.default))]


def _says(way: Way) -> str:
    return f"lets in {'; '.join(way.clients) or 'nobody'}{f' for {way.route}' if way.route else ''}"


def _default(word: str) -> str:
    return f"no Server speaks for it; the default lets in {DEFAULTS.get(word, word or 'whom the cluster says')}"
