"""An installation in the eyes of a real API server: applied whole, kept on a second run, refused beside another mesh, taken out whole."""

import asyncio
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from lightkube.resources.core_v1 import Namespace

from isthmus import names
from isthmus.install import manifest
from isthmus.kube import client as kube
from tests.api import pairs, plane

Doc = dict[str, Any]
PART_OF = f"{names.PART_OF_LABEL}={names.PART_OF}"


class Person:
    """Somebody with a kubeconfig, a trust folder and our program."""

    def __init__(self, cluster: plane.Cluster, trust: pathlib.Path) -> None:
        self.trust = trust
        self.env = os.environ | {"KUBECONFIG": cluster.kubeconfig, "ISTHMUS_TRUST_DIR": str(trust)}

    def says(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "isthmus", *words]
        return subprocess.run(command, capture_output=True, text=True, env=self.env, timeout=120, check=False)


@pytest.fixture
def person(cluster: plane.Cluster, tmp_path: pathlib.Path) -> Iterator[Person]:
    made = Person(cluster, tmp_path / "trust")
    yield made
    made.says("uninstall", "--apply")


@pytest.fixture
async def client(cluster: plane.Cluster) -> AsyncIterator[kube.Client]:
    """More patient than other tests': a server that takes definitions out and in again is slow for a while."""
    async with kube.Client(cluster.reach, timeout=60) as opened:
        yield opened


async def ours(client: kube.Client) -> dict[str, str]:
    """Cluster-wide objects that carry our label, and their versions."""
    found: dict[str, str] = {}
    for place in (
        "api/v1/namespaces",
        "apis/rbac.authorization.k8s.io/v1/clusterroles",
        "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    ):
        for item in (await client.raw("GET", f"/{place}?labelSelector={PART_OF}"))["items"]:
            found[f"{place}/{item['metadata']['name']}"] = item["metadata"]["resourceVersion"]
    return found


def service(name: str, **meta: dict[str, str]) -> Doc:
    whole = {"name": name, "namespace": "default", **meta}
    return {"apiVersion": "v1", "kind": "Service", "metadata": whole, "spec": {"ports": [{"port": 80}]}}


async def test_installed_twice_it_is_the_same_and_uninstalled_it_is_gone(client: kube.Client, person: Person):
    assert person.says("check", "--pre", "--wait", "0").returncode == 0
    first = person.says("install", "--apply", "--no-wait")
    assert first.returncode == 0, first.stderr
    assert "new trust anchor" in first.stderr
    before = await ours(client)
    again = person.says("install", "--apply", "--no-wait")
    assert again.returncode == 0
    assert "the cluster's own" in again.stderr
    assert await ours(client) == before
    assert "0 to create, 0 to change" in person.says("upgrade", "--dry-run").stderr
    gone = person.says("uninstall", "--apply")
    assert gone.returncode == 0, gone.stderr
    assert await ours(client) == {}


async def test_an_installation_waits_for_a_namespace_that_is_on_its_way_out(client: kube.Client, person: Person):
    person.says("install", "--apply", "--no-wait")
    held: Doc = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "held", "namespace": "linkerd"}}
    await client.apply_dict({**held, "metadata": {**held["metadata"], "finalizers": ["example.com/hold"]}})
    await client.raw("DELETE", "/api/v1/namespaces/linkerd")

    async def told() -> bool:
        return "example.com/hold" in str(await client.raw("GET", "/api/v1/namespaces/linkerd"))

    try:
        await pairs.until(told, "what holds the namespace", limit=30)
        late = await asyncio.to_thread(person.says, "install", "--apply", "--no-wait", "--timeout", "2s")
        assert late.returncode == 1
        assert "Namespace linkerd is still there after 2 s: " in late.stderr and "example.com/hold" in late.stderr
        running = asyncio.create_task(asyncio.to_thread(person.says, "install", "--apply", "--no-wait"))
        await asyncio.sleep(2)
        assert not running.done()
    finally:
        free = {"metadata": {"finalizers": []}}
        path = "/api/v1/namespaces/linkerd/configmaps/held"
        await client.raw("PATCH", path, free, content_type="application/merge-patch+json")
    done = await running
    assert done.returncode == 0, done.stderr
    found = await client.get(Namespace, "linkerd")
    assert found is not None and found.metadata is not None and found.metadata.deletionTimestamp is None


async def test_a_change_is_told_before_it_is_made_and_kept_after(client: kube.Client, person: Person):
    person.says("install", "--apply", "--no-wait")
    told = person.says("upgrade", "--dry-run", "--set", "gatewayReplicas=2")
    assert "change Deployment linkerd-multicluster/linkerd-gateway" in told.stdout
    assert person.says("upgrade", "--apply", "--no-wait", "--set", "gatewayReplicas=2").returncode == 0
    assert person.says("upgrade", "--apply", "--no-wait").returncode == 0
    found = await client.raw("GET", "/apis/apps/v1/namespaces/linkerd-multicluster/deployments/linkerd-gateway")
    assert found["spec"]["replicas"] == 2


async def test_beside_another_mesh_nothing_is_done(client: kube.Client, person: Person):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "linkerd"}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "linkerd-config", "namespace": "linkerd"}}
    await client.apply_dict(space)
    await client.apply_dict({**config, "data": {"values": "linkerdVersion: edge-1"}})
    try:
        refused = person.says("install", "--apply")
        assert refused.returncode == 1
        assert "edge-1" in refused.stderr
        assert "Traceback" not in refused.stderr
        assert await ours(client) == {}
        assert not person.trust.exists()
    finally:
        await client.delete_dict({**config})
        await client.delete_dict(space)
        await pairs.until(lambda: gone(client, "linkerd"), "the namespace's end", limit=60)


async def gone(client: kube.Client, namespace: str) -> bool:
    """Nothing can be created in a namespace on its way out."""
    return await client.get(Namespace, namespace) is None


async def test_definitions_of_others_stay_theirs(client: kube.Client, person: Person):
    name = "trafficsplits.split.smi-spec.io"
    person.says("install", "--apply", "--no-wait")
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
    unmark = {"metadata": {"labels": {names.PART_OF_LABEL: "smi"}}}
    await client.raw("PATCH", path, unmark, content_type="application/merge-patch+json")
    assert person.says("install", "--apply", "--no-wait").returncode == 0
    assert person.says("uninstall", "--apply").returncode == 0
    assert (await client.raw("GET", path))["metadata"]["labels"][names.PART_OF_LABEL] == "smi"
    await client.raw("DELETE", path)


async def test_a_link_nobody_takes_apart_does_not_hold_up_an_uninstallation(client: kube.Client, person: Person):
    person.says("install", "--apply", "--no-wait")
    meta = {"name": "west", "namespace": names.MULTICLUSTER_NS, "finalizers": [names.LINK_FINALIZER]}
    link = {"apiVersion": "multicluster.linkerd.io/v1alpha3", "kind": "Link", "metadata": meta}
    await client.apply_dict({**link, "spec": {"targetClusterName": "west"}})
    marks = {names.MIRRORED_SERVICE: "true", names.CLUSTER_NAME: "west"}
    notes = {names.REMOTE_FQ_NAME: "web.default.svc.cluster.local"}
    mirror = service("web-west", labels=marks, annotations=notes)
    own = service("own-west", labels={names.CLUSTER_NAME: "west"})
    for one in (mirror, own):
        await client.apply_dict(one)
    gone = person.says("uninstall", "--apply")
    assert gone.returncode == 0, gone.stderr
    assert "its mirrors are removed here" in gone.stderr
    assert await client.get_dict(mirror) is None
    assert await client.get_dict(own) is not None
    await client.delete_dict(own)


async def test_check_tells_what_is_missing(client: kube.Client, person: Person):
    assert "isthmus install --apply" in person.says("check", "--wait", "0").stdout
    person.says("install", "--apply", "--no-wait")
    await client.delete_dict(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "linkerd-gateway", "namespace": "linkerd-multicluster"},
        }
    )
    said = person.says("check", "--wait", "0", "-o", "json")
    assert said.returncode == 1
    checks = {c["id"]: c for category in json.loads(said.stdout)["categories"] for c in category["checks"]}
    assert checks["gateway-address"]["result"] == "error"
    assert "is missing" in checks["gateway-address"]["error"]
    assert checks["definitions-served"]["result"] == "success"
    assert checks["issuer-valid"]["result"] == "success"


async def test_check_tells_of_kinds_that_are_served_at_other_versions(client: kube.Client, person: Person):
    name = "trafficsplits.split.smi-spec.io"
    person.says("install", "--apply", "--no-wait")
    assert "definition-versions" not in person.says("check", "--wait", "0", "-o", "short").stdout
    found = await client.raw("GET", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    older = [{**v, "served": v["name"] != "v1alpha2"} for v in found["spec"]["versions"]]
    await client.raw(
        "PATCH",
        f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}",
        {"spec": {"versions": older}},
        content_type="application/merge-patch+json",
    )
    said = person.says("check", "--wait", "0", "-o", "short").stdout
    assert f"{name} is served at v1alpha1; objects are read at v1alpha2 only and have no effect" in said
    assert "checks.md#definition-versions" in said


NASTY = """
yes on y 1e3 0o7 1_000 12:30:45 = 2001-01-01 0x1f .inf ~ null -1 +1 1.0 {a} [b] @c `d #e !f &g *h |i >j %k ' " \\ 🙂
"""


def objects(text: str) -> list[Doc]:
    """kubectl prints one JSON document after the other."""
    found, place = [], 0
    while text[place:].strip():
        one, end = json.JSONDecoder().raw_decode(text[place:].lstrip())
        found.append(one)
        place += len(text[place:]) - len(text[place:].lstrip()) + end
    return found


def test_kubectl_reads_what_we_write(cluster: plane.Cluster, person: Person, tmp_path: pathlib.Path):
    words = {f"k{number}": word for number, word in enumerate(NASTY.split())}
    nasty: Doc = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n", "labels": {}}, "data": words}
    docs = [*manifest.read(person.says("install", "--ignore-cluster").stdout, source="install"), nasty]
    (tmp_path / "all.yaml").write_text(manifest.write(docs))
    said = cluster.lab(
        "kubectl",
        plane.NAME,
        "label",
        "--local",
        "--dry-run=client",
        "-o",
        "json",
        "-f",
        str(tmp_path / "all.yaml"),
        "x=y",
    )
    for read, written in zip(objects(said), docs, strict=True):
        read["metadata"]["labels"].pop("x")
        written["metadata"]["labels"] = written["metadata"].get("labels") or {}
        assert read == written
