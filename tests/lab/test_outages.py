"""What goes on when parts of the control plane are gone."""

import json
import os
import time

import pytest

from tests.lab import mesh

pytestmark = pytest.mark.lab

DEPLOYMENTS = (
    ("linkerd", "linkerd-identity"),
    ("linkerd", "linkerd-destination"),
    ("linkerd", "linkerd-proxy-injector"),
    ("linkerd-multicluster", "linkerd-service-mirror"),
)
OUTAGE = float(os.environ.get("ISTHMUS_TEST_OUTAGE", "20"))
"""Seconds; CI takes a short one, a release 300."""


def scale(cluster: str, replicas: int) -> None:
    for namespace, name in DEPLOYMENTS:
        mesh.kubectl(cluster, "-n", namespace, "scale", "deploy", name, f"--replicas={replicas}")


def gone(cluster: str) -> bool:
    """Only the gateway, which carries traffic, is left."""
    pods = mesh.objects(cluster, "pods", "-n", "linkerd") + mesh.objects(cluster, "pods", "-n", "linkerd-multicluster")
    running = [p for p in pods if p["status"]["phase"] == "Running" and not p["metadata"].get("deletionTimestamp")]
    return all(p["metadata"]["name"].startswith("linkerd-gateway-") for p in running)


def test_traffic_goes_on_without_any_control_plane(client: mesh.Inside) -> None:
    mesh.split(50, 50)
    address = mesh.cluster_ip("east", mesh.SERVICE)
    client.call("many", host=address, port=8888, name=mesh.SERVICE, count=100, connections=4)
    for cluster in ("east", "west"):
        scale(cluster, 0)
    try:
        for cluster in ("east", "west"):
            mesh.until(lambda c=cluster: gone(c), f"the end of {cluster}'s control plane", limit=60)
        order = {"host": address, "port": 8888, "name": mesh.SERVICE, "count": 10_000_000, "connections": 4}
        running = client.start("many", **order, seconds=OUTAGE)
        time.sleep(OUTAGE)
        out, err = running.communicate(timeout=60)
        done = json.loads(out or "{}") or pytest.fail(err)
        assert done["failed"] == 0, done["failures"]
        assert min(done["clusters"].get("east", 0), done["clusters"].get("west", 0)) > 100
    finally:
        for cluster in ("east", "west"):
            scale(cluster, 1)
        for cluster in ("east", "west"):
            for namespace, name in DEPLOYMENTS:
                mesh.kubectl(cluster, "-n", namespace, "rollout", "status", f"deploy/{name}", "--timeout=90s")
