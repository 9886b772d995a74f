"""What goes into clusters: narrow, labelled, and nothing asked for that is not used."""

import json

import pytest

from isthmus import names
from isthmus.multicluster import objects


def find(docs, kind, name):
    return next(d for d in docs if d["kind"] == kind and d["metadata"]["name"] == name)


def granted(docs, kind, resource):
    return {
        v
        for d in docs
        if d["kind"] == kind
        for r in d.get("rules", ())
        if resource in r["resources"]
        for v in r["verbs"]
    }


def test_controller_is_meshed_and_unprivileged():
    deployment = find(objects.controller_objects(control_image="img"), "Deployment", "linkerd-service-mirror")
    pod = deployment["spec"]["template"]
    assert pod["metadata"]["annotations"][names.INJECT] == "enabled"
    assert pod["spec"]["containers"][0]["securityContext"]["runAsNonRoot"] is True
    assert names.COMPONENT_LABEL not in pod["metadata"]["labels"], "the injector passes over pods with that label"


@pytest.mark.parametrize(
    "wanted, verbs", [(False, {"get", "list", "watch"}), (True, {"get", "list", "watch", "create"})]
)
def test_namespaces_are_made_only_with_leave(wanted, verbs):
    docs = objects.controller_objects(control_image="img", create_namespaces=wanted)
    assert granted(docs, "ClusterRole", "namespaces") == verbs
    arguments = find(docs, "Deployment", "linkerd-service-mirror")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert ("--create-namespaces" in arguments) is wanted


def test_a_source_may_only_read_and_renew_its_own_token():
    docs = objects.remote_access("access-east", source="east")
    assert granted(docs, "ClusterRole", "services") == {"get", "list", "watch"}
    assert granted(docs, "ClusterRole", "namespaces") == {"get"}
    assert not granted(docs, "ClusterRole", "secrets") and not granted(docs, "ClusterRole", "pods")
    renew = find(docs, "Role", "access-east-token")["rules"][0]
    assert (renew["resources"], renew["resourceNames"], renew["verbs"]) == (
        ["serviceaccounts/token"],
        ["access-east"],
        ["create"],
    )
    assert all(d["metadata"]["labels"][objects.SOURCE_LABEL] == "east" for d in docs)
    assert not [d for d in docs if d["kind"] == "Secret"]


def test_linkerds_controllers_get_what_they_ask_for():
    docs = objects.remote_access("access", for_linkerd=True)
    assert granted(docs, "ClusterRole", "endpoints") and find(docs, "Secret", "access-token")["type"].endswith(
        "service-account-token"
    )


def test_bindings_name_roles_that_exist():
    docs = objects.controller_objects(control_image="img") + objects.remote_access("access", source="east")
    roles = {(d["kind"], d["metadata"]["name"]) for d in docs}
    for binding in (d for d in docs if d["kind"].endswith("Binding")):
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in roles
        assert ("ServiceAccount", binding["subjects"][0]["name"]) in roles


def test_kubeconfig_is_whole():
    text = objects.kubeconfig(cluster="west", server="https://192.0.2.7:6443", ca=b"PEM", token="t", account="a")
    config = json.loads(text)
    assert config["clusters"][0]["cluster"]["certificate-authority-data"] == "UEVN"
    assert config["users"][0]["user"] == {"token": "t"} and config["current-context"] == "west"


def test_credentials_have_linkerds_type_and_key():
    secret = objects.credentials("west", "{}", account="a")
    assert (secret["type"], list(secret["data"])) == (names.CREDENTIALS_TYPE, ["kubeconfig"])
    assert secret["metadata"]["name"] == "cluster-credentials-west"
