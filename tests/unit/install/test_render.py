"""What an installation holds: names others look for, rights, policy, and that choices reach their places."""

import base64

import pytest

from isthmus import names
from isthmus.install import core, multicluster, values
from tests.unit.install import builders as b

GOLDEN = """
Namespace/linkerd Namespace/linkerd-multicluster
ConfigMap/linkerd-config ConfigMap/linkerd-identity-trust-roots Secret/linkerd-identity-issuer Secret/linkerd-proxy-injector-k8s-tls
Service/linkerd-identity Service/linkerd-identity-headless Service/linkerd-dst Service/linkerd-dst-headless Service/linkerd-policy
Service/linkerd-proxy-injector Service/linkerd-gateway
Deployment/linkerd-identity Deployment/linkerd-destination Deployment/linkerd-proxy-injector Deployment/linkerd-gateway
Deployment/linkerd-service-mirror MutatingWebhookConfiguration/linkerd-proxy-injector-webhook-config
ServiceAccount/linkerd-identity ServiceAccount/linkerd-destination ServiceAccount/linkerd-proxy-injector ServiceAccount/linkerd-gateway
Server/linkerd-gateway AuthorizationPolicy/linkerd-gateway MeshTLSAuthentication/any-meshed NetworkAuthentication/source-cluster
CustomResourceDefinition/links.multicluster.linkerd.io CustomResourceDefinition/serviceprofiles.linkerd.io
CustomResourceDefinition/servers.policy.linkerd.io CustomResourceDefinition/httproutes.policy.linkerd.io
CustomResourceDefinition/httproutes.gateway.networking.k8s.io CustomResourceDefinition/trafficsplits.split.smi-spec.io
"""
"""Objects that users and tools look up by these names."""


def test_public_names():
    made = {f"{d['kind']}/{d['metadata']['name']}" for d in b.rendered()}
    assert set(GOLDEN.split()) <= made


def test_every_document_carries_our_mark():
    assert all(d["metadata"]["labels"][names.PART_OF_LABEL] == names.PART_OF for d in b.rendered())


def test_a_namespace_comes_before_what_is_in_it():
    seen: set[str] = set()
    for one in b.rendered():
        seen |= {one["metadata"]["name"]} if one["kind"] == "Namespace" else set()
        assert one["metadata"].get("namespace", "linkerd") in seen


@pytest.mark.parametrize(
    "name", ["linkerd-identity", "linkerd-destination", "linkerd-gateway", "linkerd-service-mirror"]
)
def test_pods_others_dial_are_meshed(name):
    pod = b.find(b.rendered(), "Deployment", name)["spec"]["template"]
    assert pod["spec"]["containers"][0]["name"] == "linkerd-proxy"
    assert pod["metadata"]["labels"][names.CONTROL_PLANE_NS_LABEL] == "linkerd"
    assert "lifecycle" not in pod["spec"]["containers"][0], "nothing of ours waits for its proxy"


def test_the_injector_is_not_meshed_so_that_it_is_there_first():
    pod = b.find(b.rendered(), "Deployment", "linkerd-proxy-injector")["spec"]["template"]
    assert [c["name"] for c in pod["spec"]["containers"]] == ["injector"]


@pytest.mark.parametrize(
    ("name", "variable", "value"),
    [
        ("linkerd-identity", "IDENTITY_SVC_ADDR", "localhost.:8080"),
        ("linkerd-destination", "DESTINATION_SVC_ADDR", "localhost.:8086"),
        ("linkerd-destination", "POLICY_SVC_ADDR", "localhost.:8090"),
        ("linkerd-destination", "IDENTITY_SVC_ADDR", "linkerd-identity-headless.linkerd.svc.cluster.local.:8080"),
        ("linkerd-gateway", "INBOUND_GATEWAY_SUFFIXES", "svc.cluster.local."),
        ("linkerd-gateway", "INBOUND_DEFAULT_POLICY", "all-authenticated"),
    ],
)
def test_their_proxies_know(name, variable, value):
    proxy = b.find(b.rendered(), "Deployment", name)["spec"]["template"]["spec"]["containers"][0]
    assert {"name": f"LINKERD2_PROXY_{variable}", "value": value} in proxy["env"]


def test_selectors_choose_their_own_pods():
    for one in b.rendered():
        if one["kind"] == "Deployment":
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_services_lead_to_ports_their_pods_have():
    docs = b.rendered()
    pods = [d["spec"]["template"] for d in docs if d["kind"] == "Deployment"]
    for one in docs:
        if one["kind"] == "Service":
            chosen = [p for p in pods if one["spec"]["selector"].items() <= p["metadata"]["labels"].items()]
            open_ports = {
                port["containerPort"] for p in chosen for c in p["spec"]["containers"] for port in c.get("ports", [])
            }
            assert {port["targetPort"] for port in one["spec"]["ports"]} <= open_ports


def test_mounts_have_volumes_and_accounts_exist():
    docs = b.rendered()
    accounts = {(d["metadata"]["namespace"], d["metadata"]["name"]) for d in docs if d["kind"] == "ServiceAccount"}
    for one in docs:
        if one["kind"] != "Deployment":
            continue
        spec = one["spec"]["template"]["spec"]
        assert (one["metadata"]["namespace"], spec["serviceAccountName"]) in accounts
        volumes = {v["name"] for v in spec.get("volumes", [])}
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert {m["name"] for m in container.get("volumeMounts", [])} <= volumes


def test_bindings_bind_roles_that_exist():
    docs = b.rendered()
    roles = {
        (d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"])
        for d in docs
        if d["kind"] in ("Role", "ClusterRole")
    }
    for one in docs:
        if one["kind"].endswith("Binding"):
            space = one["metadata"].get("namespace") if one["roleRef"]["kind"] == "Role" else None
            assert (one["roleRef"]["kind"], space, one["roleRef"]["name"]) in roles


@pytest.mark.parametrize(
    ("sets", "where", "value"),
    [
        (
            {"controlImage": "a/b:1"},
            lambda d: b.find(d, "Deployment", "linkerd-proxy-injector")["spec"]["template"]["spec"]["containers"][0][
                "image"
            ],
            "a/b:1",
        ),
        (
            {"proxyImage": "a/p:1"},
            lambda d: b.find(d, "Deployment", "linkerd-gateway")["spec"]["template"]["spec"]["containers"][0]["image"],
            "a/p:1",
        ),
        ({"controlReplicas": "3"}, lambda d: b.find(d, "Deployment", "linkerd-identity")["spec"]["replicas"], 3),
        (
            {"gatewayServiceType": "NodePort"},
            lambda d: b.find(d, "Service", "linkerd-gateway")["spec"]["type"],
            "NodePort",
        ),
        ({"gatewayPort": "443"}, lambda d: b.find(d, "Service", "linkerd-gateway")["spec"]["ports"][0]["port"], 443),
        (
            {"webhookFailurePolicy": "Fail"},
            lambda d: b.find(d, "MutatingWebhookConfiguration", core.WEBHOOK)["webhooks"][0]["failurePolicy"],
            "Fail",
        ),
    ],
    ids=["control image", "proxy image", "replicas", "gateway type", "gateway port", "failure policy"],
)
def test_choices_reach_their_places(sets, where, value):
    assert where(b.rendered(**sets)) == value


def test_another_namespace_reaches_identities_addresses_and_the_webhook():
    made = b.plan(control_ns="mesh")
    docs = core.render(made) + multicluster.render(made)
    gateway = b.find(docs, "Service", "linkerd-gateway")["metadata"]["annotations"][names.GATEWAY_IDENTITY]
    assert gateway == "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.mesh.cluster.local"
    assert (
        b.find(docs, "MutatingWebhookConfiguration", core.WEBHOOK)["webhooks"][0]["clientConfig"]["service"][
            "namespace"
        ]
        == "mesh"
    )


def test_the_api_server_is_told_the_authority_of_the_webhooks_certificate():
    hook = b.find(b.rendered(), "MutatingWebhookConfiguration", core.WEBHOOK)["webhooks"][0]
    assert base64.b64decode(hook["clientConfig"]["caBundle"]).decode() == b.webhook().authority


def test_stored_values_name_no_private_key():
    stored = b.find(b.rendered(), "ConfigMap", core.CONFIG)["data"]["values"]
    assert "PRIVATE" not in stored
    assert values.load(stored) == values.Values()


def test_definitions_have_one_storage_version_and_a_schema_each():
    for one in core.definitions():
        versions = one["spec"]["versions"]
        assert [v["storage"] for v in versions].count(True) == 1
        assert all(v["schema"]["openAPIV3Schema"]["type"] == "object" for v in versions)
        assert one["metadata"]["name"] == f"{one['spec']['names']['plural']}.{one['spec']['group']}"


def test_definitions_of_other_projects_are_left_where_they_are():
    present = frozenset({"httproutes.gateway.networking.k8s.io"})
    made = {d["metadata"]["name"] for d in core.render(b.plan(present=present))}
    assert not made & present
    assert "grpcroutes.gateway.networking.k8s.io" in made


@pytest.mark.parametrize(
    ("name", "storage"),
    [
        ("links.multicluster.linkerd.io", "v1alpha3"),
        ("serviceprofiles.linkerd.io", "v1alpha2"),
        ("servers.policy.linkerd.io", "v1beta3"),
        ("httproutes.policy.linkerd.io", "v1beta3"),
        ("httproutes.gateway.networking.k8s.io", "v1"),
    ],
)
def test_storage_versions(name, storage):
    found = next(d for d in core.definitions() if d["metadata"]["name"] == name)
    assert next(v["name"] for v in found["spec"]["versions"] if v["storage"]) == storage
