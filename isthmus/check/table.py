"""All checks, in the order in which they are made. In: `Facts`. Out: results. Each row's id is its anchor in docs/checks.md.

Pure. Never here: how a check judges (see `core`, `multicluster`), printing.
"""

from collections.abc import Iterable, Sequence

from isthmus.check import core, facts, finding, multicluster, viz
from isthmus.check.finding import Check

API, PRE, EXISTENCE, IDENTITY = "kubernetes-api", "pre-installation", "isthmus-existence", "isthmus-identity"
WEBHOOK, DATA_PLANE, MULTICLUSTER = "isthmus-webhook", "isthmus-data-plane", "isthmus-multicluster"
VIZ = "isthmus-viz"

FIRST: tuple[Check, ...] = (
    Check(
        "api-reachable",
        API,
        "the API server answers",
        "is the context right, and the API server in reach? kubectl get --raw /version",
        core.reachable,
        fatal=True,
    ),
    Check("kubernetes-version", API, "Kubernetes is new enough", "upgrade the cluster", core.new_enough),
)
BEFORE: tuple[Check, ...] = (
    Check(
        "pre-other-mesh",
        PRE,
        "no other control plane is there",
        "use another cluster, or remove the other mesh first",
        core.no_other_mesh,
    ),
    Check(
        "pre-may-create",
        PRE,
        "you may create what an installation needs",
        "ask for the role cluster-admin on this cluster",
        core.may_create,
    ),
)
MAIN: tuple[Check, ...] = (
    Check(
        "control-plane-installed",
        EXISTENCE,
        "the control plane is installed",
        "isthmus install --apply",
        core.installed,
        fatal=True,
    ),
    Check(
        "control-plane-version",
        EXISTENCE,
        "the control plane is of this version",
        "isthmus upgrade --apply, or use the program of that version",
        core.same_version,
    ),
    Check(
        "definitions-served",
        EXISTENCE,
        "custom resource definitions are served",
        "isthmus upgrade --apply",
        core.definitions_served,
    ),
    Check(
        "definition-versions",
        EXISTENCE,
        "kinds are served at the versions that are read",
        "install the newer definitions of the project the kind belongs to (Gateway API v1.1 or later, SMI split v1alpha2)",
        core.versions_read,
    ),
    Check(
        "control-plane-ready",
        EXISTENCE,
        "the control plane's Deployments are ready",
        "kubectl -n linkerd describe pods",
        core.planes_ready,
    ),
    Check(
        "control-plane-proxies",
        EXISTENCE,
        "the control plane's proxies are ready",
        "kubectl -n linkerd logs deploy/linkerd-destination -c linkerd-proxy",
        core.own_proxies_ready,
    ),
    Check(
        "anchors-valid",
        IDENTITY,
        "trust anchors are certificates, valid now",
        "isthmus upgrade --apply with all three --identity-* files",
        core.anchors_valid,
    ),
    Check(
        "anchors-lifetime",
        IDENTITY,
        "trust anchors last 60 days or more",
        "put the new anchor beside the old one, restart workloads, then drop the old",
        core.anchors_last,
    ),
    Check(
        "issuer-valid",
        IDENTITY,
        "the issuer is valid, has its key, and stands under an anchor",
        "isthmus upgrade --apply with all three --identity-* files",
        core.issuer_valid,
    ),
    Check(
        "issuer-lifetime",
        IDENTITY,
        "the issuer lasts 60 days or more",
        "isthmus upgrade --apply makes a new one where the trust folder holds its anchor; else give the --identity-* files",
        core.issuer_lasts,
    ),
    Check(
        "webhook-there",
        WEBHOOK,
        "the webhook that meshes pods is registered",
        "isthmus upgrade --apply",
        core.webhook_there,
    ),
    Check(
        "webhook-certificate",
        WEBHOOK,
        "its certificate is valid and the API server's authority signed it",
        "isthmus upgrade --apply makes a new one",
        core.webhook_valid,
    ),
)
PROXIES: tuple[Check, ...] = (
    Check(
        "data-plane-ready",
        DATA_PLANE,
        "the proxies of meshed pods are ready",
        "kubectl -n NAMESPACE logs POD -c linkerd-proxy",
        core.data_plane_ready,
    ),
    Check(
        "data-plane-anchors",
        DATA_PLANE,
        "meshed pods hold the current trust anchors",
        "kubectl -n NAMESPACE rollout restart deploy",
        core.data_plane_anchors,
    ),
    Check(
        "data-plane-version",
        DATA_PLANE,
        "meshed pods run the current proxy",
        "kubectl -n NAMESPACE rollout restart deploy",
        core.data_plane_versions,
    ),
)
LINKED: tuple[Check, ...] = (
    Check(
        "gateway-ready",
        MULTICLUSTER,
        "the gateway is ready",
        "isthmus upgrade --apply brings it back; kubectl -n linkerd-multicluster describe deploy linkerd-gateway",
        multicluster.gateway_ready,
    ),
    Check(
        "gateway-address",
        MULTICLUSTER,
        "the gateway has an address",
        "isthmus upgrade --apply brings the Service back; without a load balancer: --set gatewayServiceType=NodePort",
        multicluster.gateway_address,
    ),
    Check(
        "mirror-ready",
        MULTICLUSTER,
        "the service mirror runs",
        "isthmus upgrade --apply brings it back; kubectl -n linkerd-multicluster logs deploy/linkerd-service-mirror",
        multicluster.mirror_ready,
    ),
    Check(
        "extension-meshed",
        MULTICLUSTER,
        "its pods have their proxies",
        "kubectl -n linkerd-multicluster rollout restart deploy",
        core.unmeshed,
    ),
    Check(
        "links-valid",
        MULTICLUSTER,
        "Links are valid",
        "mend the Link, or make it anew: isthmus link SOURCE TARGET --apply",
        multicluster.links_valid,
    ),
    Check(
        "link-credentials",
        MULTICLUSTER,
        "Links have their credentials",
        "isthmus link SOURCE TARGET --apply makes them anew",
        multicluster.credentials_there,
    ),
    Check(
        "link-target-reachable",
        MULTICLUSTER,
        "linked clusters answer",
        "is the target's API server in reach of this cluster? isthmus link SOURCE TARGET --apply renews credentials",
        multicluster.targets_reachable,
    ),
    Check(
        "link-anchors",
        MULTICLUSTER,
        "linked clusters share a trust anchor",
        "install both with one --identity-trust-anchors-file",
        multicluster.anchors_shared,
    ),
    Check(
        "link-gateway-alive",
        MULTICLUSTER,
        "the gateways of linked clusters answer",
        "isthmus check --context TARGET says whether the gateway is gone there (isthmus upgrade --apply brings it back)",
        multicluster.gateways_alive,
    ),
    Check(
        "mirror-endpoints",
        MULTICLUSTER,
        "mirrors have endpoints",
        "is the exported Service ready in the target? kubectl --context TARGET get endpointslices",
        multicluster.mirrors_served,
    ),
    Check(
        "mirror-orphans",
        MULTICLUSTER,
        "no mirror is left of a link that is gone",
        "kubectl delete service of those listed",
        multicluster.mirrors_owned,
    ),
)
VIZ_THERE = Check(
    "viz-installed", VIZ, "the viz extension is installed", "isthmus viz install --apply", viz.there, fatal=True
)
MEASURED: tuple[Check, ...] = (
    Check(
        "viz-ready",
        VIZ,
        "the viz extension's Deployments are ready",
        "isthmus viz install --apply brings them back; kubectl -n linkerd-viz describe pods",
        viz.ready,
    ),
    Check(
        "viz-meshed",
        VIZ,
        "its pods have their proxies",
        "kubectl -n linkerd-viz rollout restart deploy",
        viz.meshed,
    ),
    Check(
        "viz-prometheus",
        VIZ,
        "the metrics API answers, and Prometheus answers it",
        "kubectl -n linkerd-viz logs deploy/metrics-api; of another Prometheus: isthmus viz install --set prometheusUrl=...",
        viz.answers,
    ),
    Check(
        "viz-scraped",
        VIZ,
        "Prometheus reads every proxy",
        "is port 4191 of these pods in Prometheus's reach? its page /targets says why not",
        viz.scraped,
    ),
    Check(
        "viz-tap-served",
        VIZ,
        "the API server reaches the tap service",
        "kubectl describe apiservice v1alpha1.tap.linkerd.io; isthmus viz install --apply renews its certificate",
        viz.tap_served,
    ),
)
ALL: tuple[Check, ...] = (*FIRST, *BEFORE, *MAIN, *PROXIES, *LINKED, VIZ_THERE, *MEASURED)


def chosen(*, pre: bool, proxy: bool) -> Sequence[Check]:
    """The checks of one run: before an installation, or of one; `proxy` adds those of the data plane."""
    return (*FIRST, *BEFORE) if pre else (*FIRST, *MAIN, *(PROXIES if proxy else ()), *LINKED, *MEASURED)


def of_viz() -> Sequence[Check]:
    """The checks of the viz extension alone."""
    return (*FIRST, VIZ_THERE, *MEASURED)


def judge(checks: Iterable[Check], seen: facts.Facts) -> list[finding.Result]:
    """The results, up to and including a fatal failure; checks that do not apply are left out."""
    results: list[finding.Result] = []
    for one in checks:
        found = one.judge(seen)
        if found is None:
            continue
        results.append(finding.Result(one, found))
        if one.fatal and found.verdict == "fail":
            break
    return results
