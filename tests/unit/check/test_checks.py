"""Every check: well where it is well, and the words where it is not."""

import base64
import dataclasses
import datetime as dt
import json
import pathlib
import re

import pytest
from lightkube.models import core_v1, meta_v1
from lightkube.models.admissionregistration_v1 import MutatingWebhook, WebhookClientConfig
from lightkube.models.apps_v1 import DeploymentSpec, DeploymentStatus
from lightkube.models.discovery_v1 import Endpoint, EndpointConditions
from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice

import isthmus
from isthmus import names
from isthmus.check import facts, finding, measured, table
from isthmus.cli import checks
from isthmus.install import anchor, core, values
from isthmus.kube import crds, store
from tests.unit.install import builders as b

MC = names.MULTICLUSTER_NS
VIZ = names.VIZ_NS


def deployment(namespace, name, wanted=1, ready=1) -> Deployment:
    spec = DeploymentSpec(selector=meta_v1.LabelSelector(), template=core_v1.PodTemplateSpec(), replicas=wanted)
    status = DeploymentStatus(replicas=wanted, updatedReplicas=wanted, availableReplicas=ready, observedGeneration=1)
    return Deployment(
        metadata=meta_v1.ObjectMeta(name=name, namespace=namespace, generation=1), spec=spec, status=status
    )


def pod(name, namespace="shop", *, ready=True, proxy=True, notes=None) -> Pod:
    state = core_v1.ContainerState(running=core_v1.ContainerStateRunning()) if ready else core_v1.ContainerState(
        waiting=core_v1.ContainerStateWaiting(reason="CrashLoopBackOff")
    )  # fmt: skip
    said = (
        [core_v1.ContainerStatus(name="linkerd-proxy", image="", imageID="", ready=ready, restartCount=0, state=state)]
        if proxy
        else []
    )
    spec = core_v1.PodSpec(
        containers=[core_v1.Container(name="app"), *([core_v1.Container(name="linkerd-proxy")] if proxy else [])]
    )
    meta = meta_v1.ObjectMeta(name=name, namespace=namespace, annotations=notes)
    return Pod(metadata=meta, spec=spec, status=core_v1.PodStatus(containerStatuses=said, phase="Running"))


def link(name="west", *, alive="True", reachable="True", valid="True", **spec) -> crds.Link:
    conditions = [
        {"type": kind, "status": status, "reason": "R", "message": f"{kind} says {status}"}
        for kind, status in (("GatewayAlive", alive), ("TargetReachable", reachable), ("Valid", valid))
        if status
    ]
    whole = {
        "targetClusterName": name,
        "gatewayAddress": "192.0.2.1",
        "gatewayPort": "4143",
        "gatewayIdentity": "gw",
        **spec,
    }
    return crds.Link(
        metadata=meta_v1.ObjectMeta(name=name, namespace=MC, uid="u"), spec=whole, status={"conditions": conditions}
    )


def service(name, namespace="shop", labels=None, address="10.9.9.9") -> Service:
    ingress = [core_v1.LoadBalancerIngress(ip=address)] if address else []
    status = core_v1.ServiceStatus(loadBalancer=core_v1.LoadBalancerStatus(ingress=ingress))
    return Service(
        metadata=meta_v1.ObjectMeta(name=name, namespace=namespace, labels=labels),
        spec=core_v1.ServiceSpec(type="LoadBalancer"),
        status=status,
    )


def mirror(cluster="west") -> Service:
    return service("web-west", labels={names.MIRRORED_SERVICE: "true", names.CLUSTER_NAME: cluster})


def served(ready=True) -> EndpointSlice:
    meta = meta_v1.ObjectMeta(name="web-west-1", namespace="shop", labels={"kubernetes.io/service-name": "web-west"})
    return EndpointSlice(
        metadata=meta,
        addressType="IPv4",
        endpoints=[Endpoint(["10.0.0.1"], conditions=EndpointConditions(ready=ready))],
    )


def hook(authority=None) -> MutatingWebhookConfiguration:
    bundle = base64.b64encode((authority or b.webhook().authority).encode()).decode()
    one = MutatingWebhook(
        admissionReviewVersions=["v1"], clientConfig=WebhookClientConfig(caBundle=bundle), name="n", sideEffects="None"
    )
    return MutatingWebhookConfiguration(metadata=meta_v1.ObjectMeta(name=core.WEBHOOK), webhooks=[one])


PLANES = [deployment("linkerd", f"linkerd-{name}") for name in ("identity", "destination", "proxy-injector")]
EXTENSION = [deployment(MC, name) for name in ("linkerd-gateway", "linkerd-service-mirror")]
WELL = facts.Facts(
    context="east",
    now=b.NOW,
    version="v1.35.4",
    values={values.VERSION_KEY: isthmus.__version__, "proxyImage": "p:1", "multicluster": True},
    definitions=frozenset(d["metadata"]["name"] for d in core.definitions()),
    versions={d["metadata"]["name"]: frozenset(v["name"] for v in d["spec"]["versions"]) for d in core.definitions()},
    anchors=b.certificates().anchors,
    issuer=b.certificates().issuer,
    issuer_key=b.certificates().key,
    hook=hook(),
    hook_certificate=b.webhook().certificate,
    spaces=frozenset({"linkerd", MC}),
    deployments={store.key_of(d): d for d in [*PLANES, *EXTENSION, deployment(VIZ, "metrics-api")]},
    own_pods=[pod("linkerd-identity-1", "linkerd"), pod("linkerd-gateway-1", MC, notes={names.INJECT: "enabled"})],
    meshed_pods=[pod("web-1")],
    gateway=service("linkerd-gateway", MC),
    links=[link()],
    credentials={"cluster-credentials-west": "{}"},
    targets={"west": facts.Target(anchors=b.certificates().anchors)},
    mirrors=[mirror()],
    slices=[served()],
    viz=measured.Viz(tap=""),
)


def look(**changes) -> dict[str, finding.Finding]:
    """Findings by id, of a cluster that differs from a well one in `changes`."""
    seen = dataclasses.replace(WELL, **changes)
    return {r.check.id: r.finding for r in table.judge(table.ALL, seen)}


def without(*gone: tuple[str, str]) -> dict[names.Key, Deployment]:
    return {key: value for key, value in WELL.deployments.items() if (key.namespace, key.name) not in gone}


def replaced(*others: Deployment) -> dict[names.Key, Deployment]:
    return {**WELL.deployments, **{store.key_of(d): d for d in others}}


def test_a_well_cluster_passes_every_check():
    found = look()
    assert set(found) == {one.id for one in table.ALL}
    assert [one for one, said in found.items() if said.verdict != "ok"] == []


OTHER_ROOT = anchor.root(trust_domain="elsewhere", now=b.NOW)[0]
LATER = b.NOW + dt.timedelta(days=320)


@pytest.mark.parametrize(
    ("changes", "check", "verdict", "said"),
    [
        pytest.param({"error": "no answer"}, "api-reachable", "fail", "no answer", id="no API"),
        pytest.param({"version": "v1.28.0"}, "kubernetes-version", "fail", "v1.29", id="old Kubernetes"),
        pytest.param({"version": "?"}, "kubernetes-version", "warn", "cannot be read", id="unreadable version"),
        pytest.param({"foreign": "another mesh"}, "pre-other-mesh", "fail", "another mesh", id="another mesh"),
        pytest.param(
            {"refused": frozenset({"secrets"})}, "pre-may-create", "fail", "may not create secrets", id="no rights"
        ),
        pytest.param({"values": None}, "control-plane-installed", "fail", "is missing", id="nothing installed"),
        pytest.param(
            {"values": {"linkerdVersion": "edge-1"}}, "control-plane-installed", "fail", "edge-1", id="Linkerd"
        ),
        pytest.param(
            {"values": {values.VERSION_KEY: "0.0.1"}}, "control-plane-version", "warn", "0.0.1", id="another version"
        ),
        pytest.param(
            {"versions": {"trafficsplits.split.smi-spec.io": frozenset({"v1alpha1", "v1alpha4"})}},
            "definition-versions",
            "warn",
            "served at v1alpha1, v1alpha4; objects are read at v1alpha2 only",
            id="another version",
        ),
        pytest.param(
            {"versions": {"httproutes.gateway.networking.k8s.io": frozenset()}},
            "definition-versions",
            "warn",
            "served at no version",
            id="served not at all",
        ),
        pytest.param({"definitions": frozenset()}, "definitions-served", "fail", "and 8 more", id="no definitions"),
        pytest.param(
            {"deployments": without(("linkerd", "linkerd-identity"))},
            "control-plane-ready",
            "fail",
            "linkerd-identity is missing",
            id="a plane is gone",
        ),
        pytest.param(
            {"deployments": replaced(deployment("linkerd", "linkerd-destination", 1, 0))},
            "control-plane-ready",
            "fail",
            "has 0/1 replicas",
            id="a plane is not ready",
        ),
        pytest.param(
            {"own_pods": [pod("linkerd-identity-1", "linkerd", ready=False)]},
            "control-plane-proxies",
            "fail",
            "CrashLoopBackOff",
            id="a proxy of ours",
        ),
        pytest.param({"anchors": ""}, "anchors-valid", "fail", "no valid certificates", id="no anchors"),
        pytest.param({"now": LATER}, "issuer-lifetime", "warn", "in 45 days", id="an issuer that ends soon"),
        pytest.param(
            {"now": b.NOW + dt.timedelta(days=366)}, "issuer-valid", "fail", "ended", id="an issuer that has ended"
        ),
        pytest.param({"issuer_key": ""}, "issuer-valid", "fail", "lacks crt.pem or key.pem", id="no key"),
        pytest.param(
            {"anchors": OTHER_ROOT}, "issuer-valid", "fail", "not signed by any", id="an issuer of other anchors"
        ),
        pytest.param({"hook": None}, "webhook-there", "fail", "start without a proxy", id="no webhook"),
        pytest.param(
            {"hook": hook(OTHER_ROOT)}, "webhook-certificate", "fail", "another authority", id="another caBundle"
        ),
        pytest.param(
            {"hook_certificate": ""}, "webhook-certificate", "fail", "no valid certificate", id="no webhook certificate"
        ),
        pytest.param(
            {"meshed_pods": [pod("web-1", ready=False)]},
            "data-plane-ready",
            "fail",
            "pod shop/web-1",
            id="a proxy is not ready",
        ),
        pytest.param(
            {"meshed_pods": [pod("w", notes={"linkerd.io/trust-root-sha256": "x"})]},
            "data-plane-anchors",
            "warn",
            "other trust anchors",
            id="old anchors",
        ),
        pytest.param(
            {"meshed_pods": [pod("w", notes={"linkerd.io/proxy-version": "0"})]},
            "data-plane-version",
            "warn",
            "runs proxy 0",
            id="an old proxy",
        ),
        pytest.param(
            {"deployments": without((MC, "linkerd-gateway"))},
            "gateway-ready",
            "fail",
            "linkerd-gateway is missing",
            id="the gateway was deleted",
        ),
        pytest.param(
            {"deployments": replaced(deployment(MC, "linkerd-gateway", 0, 0))},
            "gateway-ready",
            "fail",
            "scaled to 0",
            id="the gateway was scaled to 0",
        ),
        pytest.param({"gateway": None}, "gateway-address", "fail", "is missing", id="no gateway Service"),
        pytest.param(
            {"gateway": service("linkerd-gateway", MC, address="")},
            "gateway-address",
            "fail",
            "no address",
            id="no address",
        ),
        pytest.param(
            {"deployments": without((MC, "linkerd-service-mirror"))},
            "mirror-ready",
            "fail",
            "is missing",
            id="no service mirror",
        ),
        pytest.param(
            {"own_pods": [pod("g", MC, proxy=False, notes={names.INJECT: "enabled"})]},
            "extension-meshed",
            "fail",
            "has none",
            id="a bare gateway",
        ),
        pytest.param({"links": [link(gatewayPort="x")]}, "links-valid", "fail", "gatewayPort", id="a bad Link"),
        pytest.param(
            {"links": [link(valid="False")]},
            "links-valid",
            "fail",
            "Valid says False",
            id="a Link its controller refuses",
        ),
        pytest.param(
            {"credentials": {}}, "link-credentials", "fail", "cluster-credentials-west is missing", id="no credentials"
        ),
        pytest.param(
            {"links": [link(reachable="False")]},
            "link-target-reachable",
            "fail",
            "TargetReachable says False",
            id="the target is away",
        ),
        pytest.param(
            {"links": [link(reachable="")]}, "link-target-reachable", "fail", "not looked at it yet", id="nobody looked"
        ),
        pytest.param(
            {"targets": {"west": facts.Target(anchors=OTHER_ROOT)}},
            "link-anchors",
            "fail",
            "share no trust anchor",
            id="other anchors",
        ),
        pytest.param(
            {"targets": {"west": facts.Target(error="no road")}},
            "link-anchors",
            "warn",
            "no road",
            id="anchors out of reach",
        ),
        pytest.param(
            {"links": [link(alive="False")]},
            "link-gateway-alive",
            "fail",
            "GatewayAlive says False",
            id="a dead gateway",
        ),
        pytest.param({"slices": []}, "mirror-endpoints", "warn", "shop/web-west", id="an empty mirror"),
        pytest.param(
            {"slices": [served(ready=False)]},
            "mirror-endpoints",
            "warn",
            "shop/web-west",
            id="a mirror that is not ready",
        ),
        pytest.param({"mirrors": [mirror("south")]}, "mirror-orphans", "warn", "no Link", id="an orphan"),
        pytest.param({"viz": None}, "viz-installed", "fail", "linkerd-viz is missing", id="no viz extension"),
        pytest.param(
            {"deployments": without((VIZ, "metrics-api"))}, "viz-ready", "fail", "is missing", id="no metrics API"
        ),
        pytest.param(
            {"deployments": replaced(deployment(VIZ, "prometheus", 1, 0))},
            "viz-ready",
            "fail",
            "0/1",
            id="no Prometheus",
        ),
        pytest.param(
            {"own_pods": [pod("m", VIZ, proxy=False, notes={names.INJECT: "enabled"})]},
            "viz-meshed",
            "fail",
            "has none",
            id="a bare metrics API",
        ),
        pytest.param(
            {"viz": measured.Viz(error="not ready")}, "viz-prometheus", "fail", "not ready", id="a silent metrics API"
        ),
        pytest.param(
            {"viz": measured.Viz(bad=["no road to it"])}, "viz-prometheus", "fail", "no road", id="Prometheus is away"
        ),
        pytest.param(
            {"viz": measured.Viz(unread=["shop/web-1"])}, "viz-scraped", "warn", "pod shop/web-1", id="an unread proxy"
        ),
        pytest.param(
            {"viz": measured.Viz(tap="no route")}, "viz-tap-served", "fail", "no route", id="tap is out of reach"
        ),
    ],
)
def test_what_is_not_well_is_said(changes, check, verdict, said):
    found = look(**changes)[check]
    assert found.verdict == verdict
    assert said in "\n".join(found.lines)


def test_after_a_fatal_failure_nothing_else_is_told():
    assert list(look(error="no answer")) == ["api-reachable"]
    assert "issuer-valid" not in look(values=None)


def test_links_are_not_judged_where_there_are_none():
    assert not {"link-gateway-alive", "links-valid", "mirror-endpoints"} & set(look(links=[], mirrors=[]))


def test_without_the_extension_it_is_not_missed():
    found = look(
        values={values.VERSION_KEY: isthmus.__version__, "multicluster": False},
        spaces=frozenset({"linkerd"}),
        deployments=without((MC, "linkerd-gateway")),
    )
    assert "gateway-ready" not in found


@pytest.mark.parametrize(
    ("pre", "proxy", "has", "lacks"),
    [
        (True, False, "pre-may-create", "issuer-valid"),
        (False, False, "issuer-valid", "data-plane-ready"),
        (False, True, "data-plane-ready", "pre-may-create"),
    ],
)
def test_chosen(pre, proxy, has, lacks):
    made = {one.id for one in table.chosen(pre=pre, proxy=proxy)}
    assert has in made
    assert lacks not in made


def results(**changes):
    return table.judge(table.chosen(pre=False, proxy=False), dataclasses.replace(WELL, **changes))


def test_the_text_says_hint_and_place():
    said = checks._text(results(gateway=None), short=True)
    assert (
        "× the gateway has an address\n    Service linkerd-multicluster/linkerd-gateway is missing\n    hint: " in said
    )
    assert "docs/checks.md#gateway-address" in said
    assert "√ the API server answers" not in said
    assert "√ the API server answers" in checks._text(results(), short=False)


def test_json_has_linkerds_shape():
    said = json.loads(checks._json(results(gateway=None)))
    assert said["success"] is False
    bad = [c for category in said["categories"] for c in category["checks"] if c["result"] == "error"]
    assert [c["id"] for c in bad] == ["gateway-address"]
    assert set(bad[0]) == {"id", "description", "result", "error", "hint"}


def test_warnings_are_no_failure():
    assert not checks.failed(results(slices=[]))
    assert checks.failed(results(gateway=None))


def test_every_check_has_its_place_in_the_documentation():
    text = (pathlib.Path(__file__).parents[3] / "docs" / "checks.md").read_text()
    assert re.findall(r"^### (\S+)$", text, re.MULTILINE) == [one.id for one in table.ALL]
