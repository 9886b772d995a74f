"""Exports come and go; collisions are refused; what a user sees with kubectl."""

import time

import pytest

from tests.lab import mesh

pytestmark = pytest.mark.lab


def service(name: str, labels: dict[str, str]) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": mesh.NAMESPACE, "labels": labels},
        "spec": {"ports": [{"name": "http", "port": 80}], "selector": {"app": mesh.SERVICE}},
    }


def names(cluster: str) -> set[str]:
    return {item["metadata"]["name"] for item in mesh.objects(cluster, "services", "-n", mesh.NAMESPACE)}


def test_the_demo_service_is_mirrored(client: mesh.Inside) -> None:
    assert mesh.MIRROR in names("east")


def test_unlabelling_removes_the_mirror_within_two_seconds(client: mesh.Inside) -> None:
    mesh.apply("west", service("fleeting", {"mirror.linkerd.io/exported": "true"}))
    mesh.until(lambda: "fleeting-west" in names("east"), "the mirror", limit=5)
    mesh.kubectl("west", "-n", mesh.NAMESPACE, "label", "svc", "fleeting", "mirror.linkerd.io/exported-")
    began = time.monotonic()
    mesh.until(lambda: "fleeting-west" not in names("east"), "the mirror's end", limit=5)
    assert time.monotonic() - began < 2.0
    mesh.kubectl("west", "-n", mesh.NAMESPACE, "delete", "svc", "fleeting")


def test_a_service_of_the_user_is_never_overwritten(client: mesh.Inside) -> None:
    mesh.apply("east", service("taken-west", {"owner": "user"}))
    mesh.apply("west", service("taken", {"mirror.linkerd.io/exported": "true"}))
    try:
        status = "jsonpath={.items[0].status}"
        words = ("-n", "linkerd-multicluster", "get", "links.multicluster.linkerd.io", "-o", status)
        mesh.until(lambda: "taken-west" in mesh.kubectl("east", *words), "the refusal in the Link's status", limit=10)
        found = [
            s for s in mesh.objects("east", "services", "-n", mesh.NAMESPACE) if s["metadata"]["name"] == "taken-west"
        ]
        assert found[0]["metadata"]["labels"] == {"owner": "user"}
    finally:
        mesh.kubectl("west", "-n", mesh.NAMESPACE, "delete", "svc", "taken")
        mesh.kubectl("east", "-n", mesh.NAMESPACE, "delete", "svc", "taken-west")
