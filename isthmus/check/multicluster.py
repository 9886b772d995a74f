"""Checks of links, gateways and mirrors. In: `Facts`. Out: findings. Pure.

What only the mirror's process can know (is the target's API in its reach, does the gateway answer) is read from the Link's conditions.
"""

from collections.abc import Iterable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names, workload
from isthmus.check import core, facts, finding
from isthmus.errors import BadValue
from isthmus.inject import shape
from isthmus.multicluster import objects, spec

GATEWAY = names.Key(names.MULTICLUSTER_NS, "linkerd-gateway")
MIRROR = names.Key(names.MULTICLUSTER_NS, objects.CONTROLLER)


def installed(seen: facts.Facts) -> bool:
    """Whether the extension should be there: the values say so, or its namespace is."""
    return bool((seen.values or {}).get("multicluster", False)) or names.MULTICLUSTER_NS in seen.spaces


def gateway_ready(seen: facts.Facts) -> finding.Finding | None:
    return finding.each(core.deployment_problems(seen, [GATEWAY])) if installed(seen) else None


def gateway_address(seen: facts.Facts) -> finding.Finding | None:
    if not installed(seen):
        return None
    if seen.gateway is None:
        return finding.fail(f"Service {GATEWAY} is missing")
    wanted, status = seen.gateway.spec, seen.gateway.status
    if wanted is not None and wanted.type == "LoadBalancer":
        given = (status.loadBalancer.ingress if status is not None and status.loadBalancer is not None else None) or []
        if not any(one.ip or one.hostname for one in given):
            return finding.fail(f"Service {GATEWAY} of type LoadBalancer has no address yet")
    return finding.OK


def mirror_ready(seen: facts.Facts) -> finding.Finding | None:
    return finding.each(core.deployment_problems(seen, [MIRROR])) if installed(seen) else None


def links_valid(seen: facts.Facts) -> finding.Finding | None:
    return finding.each(_bad_links(seen)) if seen.links else None


def _bad_links(seen: facts.Facts) -> Iterable[str]:
    for link in seen.links:
        try:
            spec.parse(_name(link), link.metadata.namespace or "", link.metadata.uid or "", link.spec)
        except BadValue as bad:
            yield f"{bad.sentence}; {bad.hint}"
        said = _condition(link, "Valid")
        if said is not None and said["status"] == "False":
            yield f"Link {_name(link)}: {said.get('message') or said.get('reason')}"


def credentials_there(seen: facts.Facts) -> finding.Finding | None:
    if not seen.links:
        return None
    wanted = {
        _name(one): str(one.spec.get("clusterCredentialsSecret") or names.credentials(_name(one))) for one in seen.links
    }
    return finding.each(
        f"Link {link}: Secret {names.MULTICLUSTER_NS}/{secret} is missing"
        for link, secret in wanted.items()
        if secret not in seen.credentials
    )


def targets_reachable(seen: facts.Facts) -> finding.Finding | None:
    return _all_true(seen, "TargetReachable", "the service mirror has not looked at it yet") if seen.links else None


def anchors_shared(seen: facts.Facts) -> finding.Finding | None:
    if not seen.links:
        return None
    bad: list[str] = []
    unknown: list[str] = []
    own = _fingerprints(seen.anchors)
    for link in seen.links:
        target = seen.targets.get(_name(link), facts.Target(error="not looked at"))
        if target.error:
            unknown.append(f"Link {_name(link)}: its anchors cannot be read from here: {target.error}")
        elif not own & _fingerprints(target.anchors):
            bad.append(f"Link {_name(link)}: the clusters share no trust anchor")
    return finding.fail(*bad) if bad else finding.each(unknown, finding.warn)


def gateways_alive(seen: facts.Facts) -> finding.Finding | None:
    return _all_true(seen, "GatewayAlive", "no probe has ended yet") if seen.links else None


def mirrors_served(seen: facts.Facts) -> finding.Finding | None:
    if not seen.mirrors:
        return None
    served = {
        (_space(s), workload.labels_of(s.metadata).get("kubernetes.io/service-name"))
        for s in seen.slices
        if _has_ready(s)
    }
    empty = [m for m in seen.mirrors if (_space(m), _name(m)) not in served]
    return finding.each((f"mirror {_space(m)}/{_name(m)} has no ready endpoint" for m in empty), finding.warn)


def mirrors_owned(seen: facts.Facts) -> finding.Finding | None:
    if not seen.mirrors:
        return None
    linked = {str(link.spec.get("targetClusterName")) for link in seen.links}
    orphans = [m for m in seen.mirrors if workload.labels_of(m.metadata).get(names.CLUSTER_NAME) not in linked]
    return finding.each((f"mirror {_space(m)}/{_name(m)} belongs to no Link" for m in orphans), finding.warn)


def _has_ready(piece: EndpointSlice) -> bool:
    return any(one.conditions is None or one.conditions.ready is not False for one in piece.endpoints or [])


def _all_true(seen: facts.Facts, kind: str, silent: str) -> finding.Finding:
    bad: list[str] = []
    unknown: list[str] = []
    for link in seen.links:
        said = _condition(link, kind)
        if said is None:
            unknown.append(f"Link {_name(link)}: {silent}")
        elif said["status"] == "False":
            bad.append(f"Link {_name(link)}: {said.get('message') or said.get('reason')}")
        elif said["status"] != "True" and said.get("reason") != "NoGateway":
            unknown.append(f"Link {_name(link)}: {said.get('message') or silent}")
    return finding.fail(*bad, *unknown) if bad else finding.each(unknown, finding.fail)


def _condition(link: Any, kind: str) -> dict[str, Any] | None:
    conditions = shape.rows(link.status or {}, "conditions")
    return next((c for c in conditions if c.get("type") == kind), None)


def _fingerprints(bundle: str) -> frozenset[bytes]:
    try:
        return frozenset(one.fingerprint(hashes.SHA256()) for one in x509.load_pem_x509_certificates(bundle.encode()))
    except ValueError:
        return frozenset()


def _name(obj: Any) -> str:
    return (obj.metadata.name if obj.metadata else None) or ""


def _space(obj: Any) -> str:
    return (obj.metadata.namespace if obj.metadata else None) or ""
