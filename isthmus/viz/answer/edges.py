"""Edges: who is connected to whom, with which identities. In: a subject, rows of open connections, the world. Out: edges. Pure.

A client's identity is what its pod's account makes it, as its proxy's certificate says; a server's is what the client's proxy verified.
An end in another cluster is the mirror Service it was called by. Never here: asking.
"""

from collections.abc import Iterable

from isthmus import names
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve.refusal import Refused
from isthmus.viz.answer import resolve, stat
from isthmus.viz.ask import query, samples
from isthmus.viz.cluster import kinds, world

_KEPT = ("dst_namespace", "dst_service", "dst_target_cluster", "server_id", "no_tls_reason")
_KINDS = (*kinds.OWNERS, "pod", "namespace")


def ask(subject: resolve.Subject, source: query.Source) -> str:
    """The question.

    Raises:
        Refused: that kind has no connections of its own.
    """
    kind = subject.kind
    if kind.word not in _KINDS:
        raise Refused("invalid", f"edges are between workloads, pods or namespaces, not of a {kind.word}")
    ends = ("namespace",) if kind.word == "namespace" else ("namespace", kind.label)
    far = () if kind.word == "namespace" else (f"dst_{kind.label}",)
    matches = (stat.OUTBOUND, query.there("dst_namespace"), *(query.there(label) for label in ends[1:]))
    level: query.Level = "" if kind.word == "pod" else "edge"
    chosen = query.Select("tcp_open_connections", matches, (*ends, *far, *_KEPT), level, (query.equal("peer", "dst"),))
    return query.gauge(chosen, source)


def table(
    subject: resolve.Subject, rows: Iterable[samples.Row], known: world.World, *, control_ns: str, trust_domain: str
) -> list[pb.Edge]:
    """Edges of which one end is the subject's."""
    found: dict[bytes, pb.Edge] = {}
    for row in rows:
        if row.value <= 0:
            continue
        src, dst = _ends(subject.kind, row)
        here, there = names.Key(src.namespace, src.name), names.Key(dst.namespace, dst.name)
        if subject.takes(here) or (dst.type == subject.kind.word and subject.takes(there)):
            server = row.label("server_id")
            made = pb.Edge(
                src=src,
                dst=dst,
                client_id=_client(subject.kind, here, known, control_ns, trust_domain) if server else "",
                server_id=server,
                no_identity_msg="" if server else (row.label("no_tls_reason") or "not_provided_by_remote"),
            )
            found.setdefault(made.SerializeToString(deterministic=True), made)
    return sorted(found.values(), key=lambda e: (e.src.namespace, e.src.name, e.dst.namespace, e.dst.name))


def _ends(kind: kinds.Kind, row: samples.Row) -> tuple[pb.Resource, pb.Resource]:
    space, far = row.label("namespace"), row.label("dst_namespace")
    if kind.word == "namespace":
        return pb.Resource(type=kind.word, name=space), pb.Resource(type=kind.word, name=far)
    name = row.label(f"dst_{kind.label}")
    dst = (
        pb.Resource(namespace=far, type=kind.word, name=name)
        if name
        else pb.Resource(namespace=far, type="service", name=row.label("dst_service"))
    )
    return pb.Resource(namespace=space, type=kind.word, name=row.label(kind.label)), dst


def _client(kind: kinds.Kind, key: names.Key, known: world.World, control_ns: str, trust_domain: str) -> str:
    accounts = {pod.account for pod in known.members(kind.word, key) if pod.control_ns}
    # A namespace's pods have many accounts, and a workload two while it rolls: then none is the client's.
    return names.identity(accounts.pop(), key.namespace, control_ns, trust_domain) if len(accounts) == 1 else ""
