"""After all stories (files run in the order of their names): the dashboard inside a cluster, opened to everybody; then the extension goes
from one cluster, while requests go on, leaves nothing there, and can be installed anew.
"""

import contextlib
import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from isthmus import names
from tests.lab import mesh

pytestmark = pytest.mark.lab

OURS = re.compile(rf"{names.VIZ_NS}|tap\.linkerd\.io")
"""What is not in the extension's namespace has this in its name."""


@pytest.fixture
def opened(measured: mesh.Inside) -> Iterator[int]:
    """The local port that leads to the Service `web` of east, whose dashboard asks nobody to log in; closed again afterwards."""
    settings = ("viz", "upgrade", "--apply", "--context", "east", "--set")
    mesh.isthmus(*settings, "dashboardOpen=true")
    words = ["lab", "kubectl", "east", "-n", names.VIZ_NS, "port-forward", "svc/web", ":8084"]
    try:
        with subprocess.Popen([sys.executable, "-m", "isthmus", *words], stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout
            port = re.search(r"127\.0\.0\.1:(\d+)", running.stdout.readline())
            assert port, running.communicate()
            yield int(port[1])
            running.terminate()
    finally:
        mesh.isthmus(*settings, "dashboardOpen=false")
        assert not rights(), "a dashboard that is closed again keeps no rights"


def rights() -> list[str]:
    """What gives the dashboard's account rights in east."""
    found = mesh.objects("east", "clusterrolebindings,rolebindings", "-A")
    return [one["metadata"]["name"] for one in found if any(s["name"] == "web" for s in one.get("subjects") or ())]


def ask(port: int, path: str, host: str, body: str | None = None) -> tuple[int, str]:
    """Status and body of one request under a name."""
    headers = {"Host": host, "Origin": f"http://{host}", "Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as sender:
        sender.request("POST" if body else "GET", path, body, headers)
        answer = sender.getresponse()
        return answer.status, answer.read().decode()


def test_an_open_dashboard_shows_all_changes_nothing_and_knows_its_names(opened: int) -> None:
    assert set(rights()) == {f"linkerd-{names.VIZ_NS}-web", "web"}
    here = f"localhost:{opened}"
    status, page = ask(opened, f"/api/view/workloads?cluster=here&namespace={mesh.NAMESPACE}", here)
    assert (status, mesh.SERVICE in page) == (200, True), page
    change = json.dumps({"id": "x", "version": "1", "weights": []})
    status, refused = ask(opened, "/api/split/preview", here, change)
    assert (status, "shows the cluster to everybody and changes nothing" in refused) == (403, True), refused
    asked = (here, f"web.{names.VIZ_NS}.svc.cluster.local:8084", "mesh.example.com", f"localhost.example.com:{opened}")
    assert [ask(opened, "/api/session", host)[0] for host in asked] == [200, 200, 421, 421]


def everything(cluster: str) -> dict[str, str]:
    """All objects the extension may have made, by kind and name, and their uid."""
    kinds = mesh.kubectl(cluster, "api-resources", "--verbs=list", "-o", "name").split()
    passing = ("events", "events.events.k8s.io", "leases.coordination.k8s.io")
    found = mesh.objects(cluster, ",".join(kind for kind in kinds if kind not in passing), "-A")
    rows = [(f"{one['kind']} {one['metadata'].get('namespace', '')}/{one['metadata']['name']}", one) for one in found]
    return {row: one["metadata"]["uid"] for row, one in rows if "uid" in one["metadata"]}


def test_uninstall_leaves_the_mesh_and_nothing_else(measured: mesh.Inside) -> None:
    before = everything("east")
    ours = {row for row in before if OURS.search(row)}
    kinds = {row.split()[0] for row in ours}
    assert {"Namespace", "Deployment", "ClusterRole", "APIService", "RoleBinding", "Secret"} <= kinds
    mesh.split(100, 0)  # there may be no mirror any more
    order = {"host": mesh.cluster_ip("east", mesh.SERVICE), "port": 8888, "name": mesh.SERVICE}
    running = measured.start("many", **order, count=10_000_000, seconds=15, connections=2)
    mesh.isthmus("viz", "uninstall", "--apply", "--context", "east")
    after = everything("east")
    assert [row for row in after if OURS.search(row)] == []
    core = {
        row: uid for row, uid in before.items() if f" {names.CONTROL_NS}/" in row and not row.startswith("Endpoint")
    }
    assert core
    assert {row: after.get(row) for row in core} == core, "the control plane is what it was, pod for pod"
    out, err = running.communicate(timeout=60)
    done = json.loads(out or "{}") or pytest.fail(err)
    assert (done["failed"], sum(done["clusters"].values()) > 100) == (0, True), done["failures"]
    refused = mesh.isthmus("stat", "deploy", "-n", mesh.NAMESPACE, "--context", "east", ok=False)
    assert "has no metrics API" in refused.stderr
    mesh.isthmus("viz", "install", "--apply", "--set", "scrapeInterval=1s", "--context", "east")
    assert {row for row in everything("east") if OURS.search(row)} >= {row for row in ours if " /" in row}, (
        "installed anew"
    )
