"""A pair of API servers as tests see it. In: a folder. Out: our own commands, clients, a service mirror's process in between.

The mirror runs in the network between the clusters, as no node is there to hold it, and as its own ServiceAccount: what it is not
granted fails here. Never here: assertions.
"""

import asyncio
import contextlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime
from typing import Any, cast

from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice
from prometheus_client import parser

from isthmus import names
from isthmus.install import anchor, core
from isthmus.kube import access, crds, store
from isthmus.kube import client as kube
from isthmus.lab import layout, status
from isthmus.multicluster import objects
from isthmus.multicluster.shell import target

NAMESPACE = "shop"
ADMIN = 9999


class Pair:
    """The running lab in `folder`."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.env = os.environ | {"ISTHMUS_LAB_DIR": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}

    @property
    def lab(self) -> layout.Lab:
        return layout.load(self.folder, layout.tag(self.folder, self.env))

    def run(self, *words: str, ok: bool = True, limit: float = 1800) -> subprocess.CompletedProcess[str]:
        """One of our commands."""
        line = [sys.executable, "-m", "isthmus", *words]
        done = subprocess.run(line, capture_output=True, text=True, env=self.env, timeout=limit, check=False)
        if ok and done.returncode:
            raise AssertionError(
                f"isthmus {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def client(self, name: str) -> kube.Client:
        return kube.Client(access.load(name, self.env["KUBECONFIG"]), timeout=30)

    def ops(self, *command: str) -> list[str]:
        """A command line that runs between the clusters."""
        return status.entered(self.lab, "ops", list(command))

    @contextlib.contextmanager
    def mirror(self) -> Generator[subprocess.Popen[bytes]]:
        """The service mirror of east, as a process that is ended at the end."""
        words = self.ops(
            sys.executable, "-m", "isthmus", "control", "service-mirror", "--holder", f"test-{time.time_ns()}"
        )
        with (self.folder / "mirror.log").open("ab") as log:
            process = subprocess.Popen(
                words, env=self.env | {"KUBECONFIG": str(self.folder / "mirror.kubeconfig")}, stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(15)

    def numbers(self, name: str) -> float:
        """The sum of a metric of the mirror's process."""
        page = subprocess.run(
            self.ops("curl", "-s", f"http://127.0.0.1:{ADMIN}/metrics"),
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
        families = parser.text_string_to_metric_families(page)
        return sum(s.value for family in families for s in family.samples if s.name == name)


async def furnish(pair: Pair) -> None:
    """Definitions, namespaces, one trust anchor for both, a gateway Service with an address, the mirror's rights."""
    root, _ = anchor.root(trust_domain=names.CLUSTER_DOMAIN, now=datetime.now(UTC))
    for name in ("east", "west"):
        async with pair.client(name) as client:
            for document in core.definitions():
                await client.apply_dict(document)
            for place in (names.CONTROL_NS, names.MULTICLUSTER_NS, NAMESPACE):
                await client.apply_dict({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place}})
            await client.apply_dict(config_map("linkerd-config", "values", "clusterDomain: cluster.local\n"))
            await client.apply_dict(config_map("linkerd-identity-trust-roots", "ca-bundle.crt", root))
            await client.apply_dict(gateway())
            for document in objects.controller_objects(control_image="none"):
                if document["kind"] != "Deployment":
                    await client.apply_dict(document)
            await _give_address(client)
    (pair.folder / "mirror.kubeconfig").write_text(await mirror_config(pair))


async def mirror_config(pair: Pair) -> str:
    """A kubeconfig of the mirror's own ServiceAccount, by the address pods would use."""
    async with pair.client("east") as client:
        token = await target.new_token(client, objects.CONTROLLER, 3600)
        server, ca = pair.lab.cluster("east").server, client.access.ca()
        return objects.kubeconfig(cluster="east", server=server, ca=ca, token=token, account="mirror")


def config_map(name: str, key: str, text: str) -> dict[str, Any]:
    meta = {"name": name, "namespace": names.CONTROL_NS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {key: text}}


def gateway() -> dict[str, Any]:
    meta = {"name": "linkerd-gateway", "namespace": names.MULTICLUSTER_NS}
    ports = [{"name": "mc-gateway", "port": 4143}, {"name": "mc-probe", "port": 4191}]
    spec = {"type": "LoadBalancer", "selector": {"app": "linkerd-gateway"}, "ports": ports}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


async def _give_address(client: kube.Client) -> None:
    """Without nodes nobody gives addresses, so it is written by hand."""
    path = f"/api/v1/namespaces/{names.MULTICLUSTER_NS}/services/linkerd-gateway/status"
    ingress = {"status": {"loadBalancer": {"ingress": [{"ip": "10.99.200.1"}]}}}
    await client.raw("PATCH", path, ingress, content_type="application/merge-patch+json")


async def gateway_address(client: kube.Client) -> str:
    """The address the gateway Service has now: the one written by hand, or the lab's own."""
    found = await client.raw("GET", f"/api/v1/namespaces/{names.MULTICLUSTER_NS}/services/linkerd-gateway")
    return str(found["status"]["loadBalancer"]["ingress"][0]["ip"])


def labels(obj: store.Object) -> dict[str, str]:
    return cast("dict[str, str]", (obj.metadata.labels if obj.metadata else None) or {})


def annotations(obj: store.Object) -> dict[str, str]:
    return cast("dict[str, str]", (obj.metadata.annotations if obj.metadata else None) or {})


def exported(name: str, *, labels: dict[str, str] | None = None, port: int = 80, **spec: Any) -> Service:
    """A Service with the label that exports it."""
    meta = ObjectMeta(name=name, namespace=NAMESPACE, labels={names.EXPORTED: "true", **(labels or {})})
    return Service(metadata=meta, spec=ServiceSpec(ports=[ServicePort(port, name="http")], **spec))


async def mirror_of(client: kube.Client, name: str) -> Service | None:
    return await client.get(Service, f"{name}-west", NAMESPACE)


async def slice_of(client: kube.Client, name: str) -> EndpointSlice | None:
    return await client.get(EndpointSlice, f"{name}-west.ipv4", NAMESPACE)


async def condition(client: kube.Client, kind: str, link: str = "west") -> str:
    """A condition of a Link as `status: message`, empty where it has none."""
    found = await client.get(crds.Link, link, names.MULTICLUSTER_NS)
    listed: list[dict[str, Any]] = ((found.status or {}) if found else {}).get("conditions") or []
    return next((f"{c['status']}: {c['message']}" for c in listed if c["type"] == kind), "")


async def reason(client: kube.Client, service: str) -> str:
    """What the Link says of one exported Service."""
    found = await client.get(crds.Link, "west", names.MULTICLUSTER_NS)
    listed: list[dict[str, Any]] = ((found.status or {}) if found else {}).get("mirrorServices") or []
    return next((e["conditions"][0]["reason"] for e in listed if e["remoteRef"]["name"] == service), "")


async def until(test: Callable[[], Awaitable[object]], what: str, limit: float = 10.0) -> float:
    """Seconds until `test` holds."""
    began = time.monotonic()
    while not await test():
        if time.monotonic() - began > limit:
            raise AssertionError(f"not within {limit:g} s: {what}")
        await asyncio.sleep(0.02)
    return time.monotonic() - began
