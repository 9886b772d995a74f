"""Facts as messages of `io.linkerd.proxy.destination`, and the difference between two snapshots as updates.

In: endpoints and snapshots. Out: messages, ready to send. Never here: choices. Limit: CHUNK addresses a message; more go in several.
Updates add before they remove, so that a client which applies them one by one never has fewer endpoints than before and after.
"""

import ipaddress

from isthmus import names
from isthmus.destination import endpoints, profiles
from isthmus.rpc import destination_pb2 as pb
from isthmus.rpc import meta_pb2, net_pb2

CHUNK = 1000
_MASK = (1 << 64) - 1


def ip(text: str) -> net_pb2.IPAddress:
    """An address as the wire has it: numbers, most significant byte first."""
    parsed = ipaddress.ip_address(text)
    number = int(parsed)
    if parsed.version == 4:
        return net_pb2.IPAddress(ipv4=number)
    return net_pb2.IPAddress(ipv6=net_pb2.IPv6(first=number >> 64, last=number & _MASK))


def address(where: endpoints.Addr) -> net_pb2.TcpAddress:
    return net_pb2.TcpAddress(ip=ip(where[0]), port=where[1])


def keep_alive() -> pb.Http2ClientParams:
    """How HTTP/2 connections between proxies notice a dead peer: a ping each 10 s, answered within 3 s."""
    params = pb.Http2ClientParams()
    params.keep_alive.interval.FromSeconds(10)
    params.keep_alive.timeout.FromSeconds(3)
    params.keep_alive.while_idle = True
    return params


_KEEP_ALIVE = keep_alive()


def weighted(one: endpoints.Endpoint) -> pb.WeightedAddr:
    """One address with all that is known of it."""
    found = pb.WeightedAddr(addr=address(one.addr), weight=one.weight, metric_labels=dict(one.labels))
    if one.identity:
        found.tls_identity.dns_like_identity.name = one.identity
        if one.sni:
            found.tls_identity.server_name.name = one.identity
        found.http2.CopyFrom(_KEEP_ALIVE)
    if one.hint == "h2":
        found.protocol_hint.h2.SetInParent()
    elif one.hint == "opaque":
        found.protocol_hint.opaque.SetInParent()
    if one.tunnel:
        found.protocol_hint.opaque_transport.inbound_port = one.tunnel
    if one.authority:
        found.authority_override.authority_override = one.authority
    return found


def updates(before: endpoints.Snapshot | None, after: endpoints.Snapshot) -> list[pb.Update]:
    """What makes a client that knows `before` (None: nothing yet) know `after`. Empty when there is no news."""
    had = (before or endpoints.GONE).endpoints
    if not after.endpoints:
        told = before is not None and not had and before.exists == after.exists
        return [] if told else [pb.Update(no_endpoints=pb.NoEndpoints(exists=after.exists))]
    relabelled = before is None or before.labels != after.labels
    added = [e for a, e in after.endpoints.items() if relabelled or had.get(a) != e]
    removed = [a for a in had if a not in after.endpoints]
    found = [
        pb.Update(
            add=pb.WeightedAddrSet(addrs=[weighted(e) for e in added[n : n + CHUNK]], metric_labels=dict(after.labels))
        )
        for n in range(0, len(added), CHUNK)
    ]
    if removed:
        found.append(pb.Update(remove=pb.AddrSet(addrs=[address(a) for a in removed])))
    return found


def reference(group: str, kind: str, key: names.Key, port: int = 0) -> meta_pb2.Metadata:
    """A reference to an object of Kubernetes."""
    return meta_pb2.Metadata(
        resource=meta_pb2.Resource(group=group, kind=kind, name=key.name, namespace=key.namespace, port=port)
    )


def bare_profile(*, opaque: bool) -> pb.DestinationProfile:
    """A profile that says little more than how connections are handled."""
    return pb.DestinationProfile(opaque_protocol=opaque, retry_budget=profiles.default_budget())
