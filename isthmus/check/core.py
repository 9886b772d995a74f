"""Checks of the API, the control plane, its certificates and the data plane. In: `Facts`. Out: findings. Pure."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lightkube.resources.core_v1 import Pod

import isthmus
from isthmus import names, workload
from isthmus.check import facts, finding
from isthmus.inject import decide, patch
from isthmus.install import anchor, core, rollout, state, values
from isthmus.kube import crds, paths

OLDEST = (1, 29)
"""Kubernetes from which sidecar containers are there without a feature gate."""
SOON_DAYS = 60
WEBHOOK_SOON_DAYS = 30


def reachable(seen: facts.Facts) -> finding.Finding:
    return finding.fail(seen.error) if seen.error else finding.OK


def new_enough(seen: facts.Facts) -> finding.Finding:
    found = re.match(r"v?(\d+)\.(\d+)", seen.version)
    if not found:
        return finding.warn(f"version {seen.version!r} cannot be read")
    oldest = ".".join(map(str, OLDEST))
    return (
        finding.OK
        if (int(found[1]), int(found[2])) >= OLDEST
        else finding.fail(f"it is {seen.version}, the oldest that works is v{oldest}")
    )


def no_other_mesh(seen: facts.Facts) -> finding.Finding:
    return finding.fail(seen.foreign) if seen.foreign else finding.OK


def may_create(seen: facts.Facts) -> finding.Finding:
    return finding.each(f"may not create {kind}" for kind in sorted(seen.refused))


def installed(seen: facts.Facts) -> finding.Finding:
    if seen.values is None:
        return finding.fail(f"ConfigMap {seen.control_ns}/{core.CONFIG} is missing")
    if values.VERSION_KEY not in seen.values:
        return finding.fail(
            f"the control plane is not Isthmus's but version {seen.values.get('linkerdVersion', 'unknown')}"
        )
    return finding.OK


def same_version(seen: facts.Facts) -> finding.Finding:
    found = (seen.values or {}).get(values.VERSION_KEY)
    return (
        finding.OK
        if found == isthmus.__version__
        else finding.warn(f"this program is {isthmus.__version__}, the control plane {found}")
    )


def definitions_served(seen: facts.Facts) -> finding.Finding:
    wanted = {one["metadata"]["name"] for one in core.definitions()}
    return finding.each(f"{name} is missing or not established" for name in sorted(wanted - seen.definitions))


def versions_read(seen: facts.Facts) -> finding.Finding:
    """Kinds of other projects may be served at versions that the planes do not watch: their objects would be passed over in silence."""
    lines: list[str] = []
    for kind in crds.KINDS:
        api = paths.info(kind)
        name, wanted = f"{api.plural}.{api.resource.group}", api.resource.version
        served = seen.versions.get(name)
        if served is not None and wanted not in served:
            others = ", ".join(sorted(served)) or "no version"
            lines.append(f"{name} is served at {others}; objects are read at {wanted} only and have no effect")
    return finding.each(lines, finding.warn)


def planes_ready(seen: facts.Facts) -> finding.Finding:
    wanted = [
        names.Key(seen.control_ns, name)
        for name in ("linkerd-identity", "linkerd-destination", "linkerd-proxy-injector")
    ]
    return finding.each(deployment_problems(seen, wanted))


def deployment_problems(seen: facts.Facts, wanted: Iterable[names.Key]) -> Iterable[str]:
    """What keeps each of these Deployments from being ready."""
    for key in wanted:
        found = seen.deployments.get(key)
        if found is None:
            yield f"Deployment {key} is missing"
        elif not (said := rollout.progress_of(found)).done:
            replicas = found.spec.replicas if found.spec else None
            yield (
                f"Deployment {key} has {said.text} replicas ready"
                if replicas != 0
                else f"Deployment {key} is scaled to 0"
            )
        elif found.spec and found.spec.replicas == 0:
            yield f"Deployment {key} is scaled to 0"


def own_proxies_ready(seen: facts.Facts) -> finding.Finding:
    return finding.each(_unready_proxies(p for p in seen.own_pods if _space(p) == seen.control_ns))


def _unready_proxies(pods: Iterable[Pod]) -> Iterable[str]:
    for pod in pods:
        status = _proxy_status(pod)
        if status is None or _ended(pod):
            continue
        if not status.ready:
            waiting = (
                status.state.waiting.reason
                if status.state is not None and status.state.waiting is not None
                else "not ready"
            )
            yield f"the proxy of {_pod(pod)} is {waiting}"


def anchors_valid(seen: facts.Facts) -> finding.Finding:
    left = anchor.days_left(seen.anchors, seen.now)
    if not seen.anchors or left < 0:
        return finding.fail(
            f"ConfigMap {seen.control_ns}/{core.ROOTS}, key ca-bundle.crt, holds no valid certificates"
            if not seen.anchors
            else "an anchor has expired or is no PEM"
        )
    return finding.OK


def anchors_last(seen: facts.Facts) -> finding.Finding:
    return _lasts("a trust anchor", anchor.days_left(seen.anchors, seen.now), seen.now, SOON_DAYS)


def issuer_valid(seen: facts.Facts) -> finding.Finding:
    if not seen.issuer or not seen.issuer_key:
        return finding.fail(f"Secret {seen.control_ns}/{core.ISSUER} lacks crt.pem or key.pem")
    said = anchor.problem(seen.anchors, seen.issuer, seen.issuer_key, seen.now)
    return finding.fail(said) if said else finding.OK


def issuer_lasts(seen: facts.Facts) -> finding.Finding:
    return _lasts("the issuer", anchor.days_left(seen.issuer, seen.now), seen.now, SOON_DAYS)


def _lasts(what: str, left: float, now: dt.datetime, soon: int) -> finding.Finding:
    end = now + dt.timedelta(days=left)
    return finding.OK if left >= soon or left < 0 else finding.warn(f"{what} ends {end:%Y-%m-%d}, in {left:.0f} days")


def webhook_there(seen: facts.Facts) -> finding.Finding:
    if seen.hook is None or not seen.hook.webhooks:
        return finding.fail(f"MutatingWebhookConfiguration {core.WEBHOOK} is missing: pods start without a proxy")
    return finding.OK


def webhook_valid(seen: facts.Facts) -> finding.Finding | None:
    if seen.hook is None or not seen.hook.webhooks:
        return None
    left = anchor.days_left(seen.hook_certificate, seen.now)
    if left < 0:
        return finding.fail(f"Secret {seen.control_ns}/{core.WEBHOOK_SECRET} holds no valid certificate")
    bundle = state.text({"ca": seen.hook.webhooks[0].clientConfig.caBundle or ""}, "ca")
    if not anchor.signed_by(seen.hook_certificate, bundle):
        return finding.fail(
            "the API server is told another authority (caBundle) than the one that signed the injector's certificate"
        )
    return _lasts("the injector's certificate", left, seen.now, WEBHOOK_SOON_DAYS)


def data_plane_ready(seen: facts.Facts) -> finding.Finding:
    return finding.each(_unready_proxies(_data_plane(seen)))


def data_plane_anchors(seen: facts.Facts) -> finding.Finding:
    digest = patch.ANCHORS_DIGEST
    mesh = core_digest(seen)
    stale = (p for p in _data_plane(seen) if _notes(p).get(digest) not in (None, mesh) and not _ended(p))
    return finding.each((f"{_pod(p)} was started with other trust anchors" for p in stale), finding.warn)


def core_digest(seen: facts.Facts) -> str:
    """The digest a pod that is injected now would carry."""
    from isthmus.inject import mesh

    return mesh.Mesh(anchors=seen.anchors.strip() + "\n", tag="").anchors_digest


def data_plane_versions(seen: facts.Facts) -> finding.Finding:
    current = str((seen.values or {}).get("proxyImage", "")).rpartition(":")[2]
    old = (p for p in _data_plane(seen) if _notes(p).get(patch.PROXY_VERSION) not in (None, current) and not _ended(p))
    return finding.each(
        (f"{_pod(p)} runs proxy {_notes(p)[patch.PROXY_VERSION]}, current is {current}" for p in old), finding.warn
    )


def unmeshed(seen: facts.Facts) -> finding.Finding | None:
    """Pods of the multicluster extension that should be meshed and are not."""
    return bare_pods(seen, names.MULTICLUSTER_NS)


def bare_pods(seen: facts.Facts, space: str) -> finding.Finding:
    """Pods of one of our namespaces that should be meshed and are not."""
    pods = (p for p in seen.own_pods if _space(p) == space and not _ended(p))
    bare = (p for p in pods if _notes(p).get(names.INJECT) == decide.ENABLED and not _has_proxy(p))
    return finding.each(f"{_pod(p)} should have a proxy and has none" for p in bare)


def _data_plane(seen: facts.Facts) -> Sequence[Pod]:
    return [p for p in seen.meshed_pods if _space(p) != seen.control_ns]


def _proxy_status(pod: Pod) -> Any:
    statuses = [*(pod.status.initContainerStatuses or []), *(pod.status.containerStatuses or [])] if pod.status else []
    return next((s for s in statuses if s.name == decide.PROXY), None)


def _has_proxy(pod: Pod) -> bool:
    everyone = [*(pod.spec.initContainers or []), *(pod.spec.containers or [])] if pod.spec else []
    return any(one.name == decide.PROXY for one in everyone)


def _ended(pod: Pod) -> bool:
    return bool(pod.status and pod.status.phase in ("Succeeded", "Failed")) or bool(
        pod.metadata and pod.metadata.deletionTimestamp
    )


def _space(pod: Pod) -> str:
    return (pod.metadata.namespace if pod.metadata else None) or ""


def _pod(pod: Pod) -> str:
    return f"pod {_space(pod)}/{pod.metadata.name if pod.metadata else '?'}"


def _notes(pod: Pod) -> Mapping[str, str]:
    return workload.annotations_of(pod.metadata)
