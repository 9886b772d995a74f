"""What Prometheus is told to scrape."""

import json

from isthmus.viz.cluster import targets
from tests.unit.viz import cluster as c


def listed(*pods, namespaces=()):
    return json.loads(targets.page(c.known(*pods).pods.values(), set(namespaces)))


def test_admin_ports_of_running_pods_under_the_labels_of_kubernetes_discovery():
    (found,) = listed(c.of_deployment("web", 1, ip="10.0.0.1"), c.pod("done", phase="Succeeded", ip="10.0.0.2"))
    assert found["targets"] == ["10.0.0.1:4191"]
    assert found["labels"] == {
        "__meta_kubernetes_namespace": "shop",
        "__meta_kubernetes_pod_name": "web-5d-1",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_container_name": "linkerd-proxy",
        "__meta_kubernetes_pod_container_port_name": "linkerd-admin",
        "__meta_kubernetes_pod_container_port_number": "4191",
        "__meta_kubernetes_pod_label_linkerd_io_control_plane_ns": "linkerd",
    }


def test_namespaces_are_chosen():
    pods = c.pod("a", "one", ip="10.0.0.1"), c.pod("b", "two", ip="10.0.0.2")
    assert [g["targets"] for g in listed(*pods, namespaces=["two"])] == [["10.0.0.2:4191"]]


def test_an_address_of_version_6_is_bracketed():
    assert listed(c.pod("a", ip="fd00::1"))[0]["targets"] == ["[fd00::1]:4191"]
