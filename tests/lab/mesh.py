"""Two meshed clusters as tests see them: our own commands, kubectl, and calls from inside a pod's network.

In: a running lab. Out: plain values. Never here: assertions (those belong to the stories) or knowledge of how the lab is built.
"""

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from prometheus_client import parser

from isthmus.lab import layout

Doc = dict[str, Any]

HERE = pathlib.Path(__file__).parent
NAMESPACE = "isthmus-demo"
SERVICE = "backend-svc"
MIRROR = "backend-svc-west"
GATEWAY_ID = "linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local"
CLIENT_ID = "client.isthmus-demo.serviceaccount.identity.linkerd.cluster.local"
BACKEND_ID = "backend-svc.isthmus-demo.serviceaccount.identity.linkerd.cluster.local"


def isthmus(
    *words: str, limit: float = 300, ok: bool = True, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """One of our commands; raises with its own words when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", *words],
        capture_output=True,
        text=True,
        timeout=limit,
        input=stdin,
        check=False,
    )
    if ok and done.returncode:
        raise AssertionError(
            f"isthmus {' '.join(words)} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        )
    return done


def kubectl(cluster: str, *words: str, stdin: str | None = None, ok: bool = True) -> str:
    """kubectl on one cluster of the lab."""
    return isthmus("lab", "kubectl", cluster, *words, stdin=stdin, ok=ok).stdout


def apply(cluster: str, *docs: dict[str, Any]) -> None:
    """Server-side apply of plain documents."""
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(docs)})
    kubectl(cluster, "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)


def objects(cluster: str, kind: str, *words: str) -> list[dict[str, Any]]:
    """Objects of a kind as JSON."""
    found: list[dict[str, Any]] = json.loads(kubectl(cluster, "get", kind, "-o", "json", *words)).get("items", [])
    return found


def until(test: Callable[[], object], what: str, limit: float = 30, pause: float = 0.1) -> float:
    """Seconds until `test` is true; fails after `limit`."""
    began = time.monotonic()
    while not test():
        if time.monotonic() - began > limit:
            raise AssertionError(f"{what}: not within {limit} s")
        time.sleep(pause)
    return time.monotonic() - began


def cluster_ip(cluster: str, name: str, namespace: str = NAMESPACE) -> str:
    """A Service's address."""
    return kubectl(cluster, "-n", namespace, "get", "svc", name, "-o", "jsonpath={.spec.clusterIP}")


@dataclass(frozen=True)
class Inside:
    """The network of one pod."""

    cluster: str
    pod: str
    pid: int

    def call(self, do: str, *, limit: float = 120, **order: object) -> dict[str, Any]:
        """Run `caller.py` in the pod's network (as root: not the proxy's uid, so it is redirected)."""
        argument = json.dumps({"do": do, **order})
        words = ["nsenter", f"--net=/proc/{self.pid}/ns/net", sys.executable, str(HERE / "caller.py"), argument]
        done = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=False)
        if done.returncode:
            raise AssertionError(f"{do} in {self.pod}: {done.stderr[-2000:]}")
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def start(self, do: str, **order: object) -> "subprocess.Popen[str]":
        """The same, not waited for."""
        argument = json.dumps({"do": do, **order})
        words = ["nsenter", f"--net=/proc/{self.pid}/ns/net", sys.executable, str(HERE / "caller.py"), argument]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ops() -> str:
    """The network namespace that holds the WAN of the running lab."""
    folder = layout.state_dir(os.environ)
    return layout.load(folder, layout.tag(folder, os.environ)).ops_netns


def inside(cluster: str, app: str, namespace: str = NAMESPACE) -> Inside:
    """The network of the running pod with label `app`, found by the pod's uid in the processes' cgroups."""
    pods = [
        p for p in objects(cluster, "pods", "-n", namespace, "-l", f"app={app}") if p["status"]["phase"] == "Running"
    ]
    pod = next(p for p in pods if not p["metadata"].get("deletionTimestamp"))
    uid = pod["metadata"]["uid"]
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if uid in (entry / "cgroup").read_text():
                return Inside(cluster, pod["metadata"]["name"], int(entry.name))
        except OSError:
            continue
    raise AssertionError(f"no process of pod {pod['metadata']['name']} ({uid})")


def metrics(pod: Inside) -> list[tuple[str, dict[str, str], float]]:
    """Samples of a proxy's metrics page, read in its own pod (a gateway shows it to nobody else)."""
    page = pod.call("page", host="127.0.0.1", port=4191, path="/metrics")["body"]
    families = parser.text_string_to_metric_families(page)
    return [(s.name, dict(s.labels), s.value) for family in families for s in family.samples]


def split(east: int, west: int) -> None:
    """Set the weights, as a user would."""
    apply(
        "east",
        {
            "apiVersion": "policy.linkerd.io/v1beta3",
            "kind": "HTTPRoute",
            "metadata": {"name": "backend-split", "namespace": NAMESPACE},
            "spec": {
                "parentRefs": [{"group": "core", "kind": "Service", "name": SERVICE, "port": 8888}],
                "rules": [
                    {
                        "backendRefs": [
                            {"name": SERVICE, "port": 8888, "weight": east},
                            {"name": MIRROR, "port": 8888, "weight": west},
                        ]
                    }
                ],
            },
        },
    )
