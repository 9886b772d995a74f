"""How many requests a second a Server takes. In: specs of `httplocalratelimitpolicies.policy.linkerd.io`. Out: facts, and the wire's form.

Of several for one Server the oldest counts, then the first by name. Never here: counting (each proxy does that itself).
Limits: those of the kind's schema; RATE requests a second.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from lightkube.models.meta_v1 import ObjectMeta

from isthmus import names, route, workload
from isthmus.errors import BadValue
from isthmus.policy import authz
from isthmus.rpc import inbound_pb2 as pb
from isthmus.rpc import meta_pb2

RATE = 2**32 - 1
KIND = "HTTPLocalRateLimitPolicy"
Spec: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """A policy's facts: requests a second of all clients, of each, and of some; None where it does not say."""

    key: names.Key
    created: float
    server: str
    total: int | None
    identity: int | None
    overrides: tuple[tuple[int, tuple[str, ...]], ...]


def parse(meta: ObjectMeta | None, spec: Spec, naming: authz.Naming) -> Limit:
    """The policy that `spec` describes.

    Raises:
        BadValue: its target is no Server, a rate cannot be read or is above the total, or a client is no ServiceAccount.
    """
    key = workload.key_of(meta)
    target = authz.reference(cast("Spec", spec.get("targetRef") or {}))
    if (target.group, target.kind) != (route.POLICY, "Server") or target.namespace not in ("", key.namespace):
        raise BadValue(f"spec.targetRef of {KIND} {key}", target.kind, "a Server of its own namespace")
    total = _rate(spec.get("total"), None, f"spec.total of {KIND} {key}")
    identity = _rate(spec.get("identity"), total, f"spec.identity of {KIND} {key}")
    overrides: list[tuple[int, tuple[str, ...]]] = []
    for entry in cast("Sequence[Spec]", spec.get("overrides") or ()):
        where = f"spec.overrides of {KIND} {key}"
        rate = _rate(entry, total, where)
        refs = [authz.reference(r) for r in cast("Sequence[Spec]", entry.get("clientRefs") or ())]
        if rate is None or not refs or any(ref.kind != "ServiceAccount" for ref in refs):
            raise BadValue(where, entry, "requestsPerSecond, and clientRefs of kind ServiceAccount")
        clients = tuple(naming.account(ref.name, ref.namespace or key.namespace) for ref in refs)
        overrides.append((rate, clients))
    return Limit(key, workload.created(meta), target.name, total, identity, tuple(overrides))


def _rate(of: object, most: int | None, where: str) -> int | None:
    if of is None:
        return None
    rate = cast("Spec", of).get("requestsPerSecond") if isinstance(of, dict) else None
    if not isinstance(rate, int) or not 0 < rate <= (most or RATE):
        raise BadValue(where, rate, f"a number from 1 to {most or RATE}")
    return rate


def of_server(listed: Iterable[Limit], server: names.Key) -> pb.HttpLocalRateLimit | None:
    """What holds for a Server, as the wire has it; None where nothing does."""
    ours = sorted((one for one in listed if one.server == server.name), key=lambda one: (one.created, one.key.name))
    if not ours:
        return None
    one = ours[0]
    resource = meta_pb2.Resource(group=route.POLICY, kind=KIND, name=one.key.name, namespace=one.key.namespace)
    found = pb.HttpLocalRateLimit(metadata=meta_pb2.Metadata(resource=resource))
    if one.total is not None:
        found.total.requestsPerSecond = one.total
    if one.identity is not None:
        found.identity.requestsPerSecond = one.identity
    for rate, clients in one.overrides:
        added = found.overrides.add()
        added.limit.requestsPerSecond = rate
        added.clients.identities.extend(pb.Identity(name=name) for name in clients)
    return found
