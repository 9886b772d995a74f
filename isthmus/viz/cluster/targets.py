"""What there is to scrape, for Prometheus' HTTP discovery. In: pods. Out: JSON of targets under the labels of its Kubernetes discovery.

Debian's Prometheus is built without Kubernetes discovery; and one that asks us needs no rights in the cluster. The labels are the same,
so the rules that turn them into series' labels are the same too. Never here: rules (see `isthmus.install.viz.scrape`).
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from isthmus.viz.cluster import facts

_META = "__meta_kubernetes_"
_KEPT = "linkerd.io/"


def page(pods: Iterable[facts.Pod], namespaces: Collection[str]) -> bytes:
    """Every admin port of every pod that runs; of these namespaces, or of all when there are none."""
    groups: list[dict[str, Any]] = []
    for pod in pods:
        if pod.ip and pod.phase == "Running" and (not namespaces or pod.key.namespace in namespaces):
            groups += [
                {"targets": [_address(pod.ip, number)], "labels": _labels(pod, container, name, number)}
                for container, name, number in pod.ports
                if "admin" in name
            ]
    return json.dumps(groups, separators=(",", ":")).encode()


def _address(ip: str, port: int) -> str:
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _labels(pod: facts.Pod, container: str, name: str, number: int) -> Mapping[str, str]:
    found = {
        f"{_META}namespace": pod.key.namespace,
        f"{_META}pod_name": pod.key.name,
        f"{_META}pod_phase": pod.phase,
        f"{_META}pod_container_name": container,
        f"{_META}pod_container_port_name": name,
        f"{_META}pod_container_port_number": str(number),
    }
    ours = {key: text for key, text in pod.labels.items() if key.startswith(_KEPT)}
    return found | {f"{_META}pod_label_{_plain(key)}": text for key, text in ours.items()}


def _plain(key: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in key)
