"""The aggregated API behind a real API server: who is let in, what is refused with which sentence, and a stream that arrives.

The tap service and a played proxy run in the API server's own network, where a Service of type ExternalName leads to them.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.install import trust
from isthmus.kube import client as kube
from isthmus.lab import layout
from isthmus.tap import client as streams
from isthmus.tap.ask import resource
from isthmus.tap.tell import events
from tests.api import plane

HERE = pathlib.Path(__file__).parent
PORT, PROXY = 8089, 4190
ROOT = "/apis/tap.linkerd.io/v1alpha1"
Doc = dict[str, Any]


@pytest.fixture(scope="module")
def here(cluster: plane.Cluster) -> layout.Cluster:
    """Where the API server runs."""
    return layout.load(cluster.folder, layout.tag(cluster.folder, {})).cluster(plane.NAME)


@pytest.fixture(scope="module")
def inside(here: layout.Cluster) -> list[str]:
    """What a command begins with that runs in its network."""
    return ["nsenter", f"--net=/run/netns/{here.netns}", "--"]


@pytest.fixture(scope="module")
def certificate() -> trust.Webhook:
    return trust.serving(None, "tap", names.VIZ_NS, now=dt.datetime.now(dt.UTC))


@pytest.fixture(scope="module")
def service(
    cluster: plane.Cluster,
    here: layout.Cluster,
    inside: list[str],
    certificate: trust.Webhook,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[None]:
    """The tap service and a proxy."""
    folder = tmp_path_factory.mktemp("tap")
    (folder / "tls.crt").write_text(certificate.certificate)
    (folder / "tls.key").write_text(certificate.key)
    words = ["control", "tap", "--tls-dir", str(folder), "--port", str(PORT), "--admin-port", "9998"]
    reached = pathlib.Path(cluster.kubeconfig).read_text().replace(cluster.reach.server, here.server)
    (folder / "kubeconfig").write_text(reached)
    env = {"KUBECONFIG": str(folder / "kubeconfig"), "PYTHONPATH": str(HERE.parents[1]), "PATH": "/usr/bin:/bin"}
    with contextlib.ExitStack() as stack, (folder / "log").open("wb") as log:
        for line in (
            [sys.executable, "-m", "isthmus", *words],
            [sys.executable, str(HERE / "fakeproxy.py"), str(PROXY)],
        ):
            process = stack.enter_context(subprocess.Popen([*inside, *line], env=env, stdout=log, stderr=log))
            stack.callback(process.terminate)
        yield


@pytest.fixture
async def tapped(client: kube.Client, service: None, certificate: trust.Webhook, space: str, inside: list[str]) -> str:
    """A namespace with a tappable pod, behind an API server that knows the tap service."""
    for doc in (*behind(certificate), pod(space, "web", {names.TAP_ENABLED: "true"}), pod(space, "old", {})):
        await client.apply_dict(doc)
    for name in ("web", "old"):
        await client.raw(
            "PATCH",
            f"/api/v1/namespaces/{space}/pods/{name}/status",
            {"status": {"phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}},
            content_type="application/merge-patch+json",
        )
    async with asyncio.timeout(60):
        while not await available(client):
            await asyncio.sleep(0.3)
    return space


def behind(certificate: trust.Webhook) -> list[Doc]:
    """What leads the API server to the tap service."""

    spec = {
        "group": "tap.linkerd.io",
        "version": "v1alpha1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 100,
        "service": {"name": "tap", "namespace": names.VIZ_NS, "port": PORT},
        "caBundle": base64.b64encode(certificate.authority.encode()).decode(),
    }
    meta = {"name": "v1alpha1.tap.linkerd.io"}
    outside = {"type": "ExternalName", "externalName": "127.0.0.1"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": names.VIZ_NS}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "tap", "namespace": names.VIZ_NS},
            "spec": outside,
        },
        {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": meta, "spec": spec},
    ]


def pod(space: str, name: str, notes: dict[str, str]) -> Doc:
    meta = {
        "name": name,
        "namespace": space,
        "annotations": notes,
        "labels": {names.CONTROL_PLANE_NS_LABEL: "linkerd"},
    }
    listens = {"name": "LINKERD2_PROXY_CONTROL_LISTEN_ADDR", "value": f"0.0.0.0:{PROXY}"}
    proxy = {"name": "linkerd-proxy", "image": "a", "env": [listens]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [proxy]}}


async def available(client: kube.Client) -> bool:
    found = await client.raw("GET", "/apis/apiregistration.k8s.io/v1/apiservices/v1alpha1.tap.linkerd.io")
    rows = found.get("status", {}).get("conditions", ())
    return any(row["type"] == "Available" and row["status"] == "True" for row in rows)


def wish(words: str, space: str) -> streams.Wish:
    return streams.Wish(target=resource.read(words, space), headers=True)


def curl(inside: list[str], *words: str) -> str:
    """Status and refusal of a call from beside the API server."""
    line = [*inside, "curl", "-sk", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %header{linkerd-error}", *words]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=20).stdout


async def test_events_come_through_the_api_server(client: kube.Client, tapped: str) -> None:
    found: list[events.Event] = []
    async with asyncio.timeout(30), aclosing(streams.open_(client, wish("pod/web", tapped))) as stream:
        async for event in stream:
            found.append(event)
            if event.kind == events.END:
                break
    assert [one.kind for one in found] == ["req", "rsp", "end"]
    assert (found[0].path, found[0].proxy) == ("/seen", f"{tapped}/web")
    assert found[0].headers == (("authorization", "[redacted]"),)


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("pod/old", "pod t-.*/old is not tapped: taps are off for it"),
        ("pod/none", "there are no pods of pod/none"),
        ("deploy", "there are no pods of deployments"),
    ],
)
async def test_what_cannot_be_tapped_is_said(client: kube.Client, tapped: str, words: str, sentence: str) -> None:
    with pytest.raises(IsthmusError, match=sentence):
        await anext(streams.open_(client, wish(words, tapped)))


async def test_a_body_that_asks_for_something_else_is_refused(client: kube.Client, tapped: str) -> None:
    body, headers = wish("pod/web", tapped).message().SerializeToString(), {"Content-Type": "application/octet-stream"}
    path = resource.read("ns/kube-system", "").path
    with pytest.raises(kube.ApiError, match=r"the body asks for pod/web in .*, the URL for namespace kube-system"):
        await anext(client.stream(path, body, headers, read=lambda _, got, __: got.get("linkerd-error", "")))


async def test_the_api_s_own_documents(client: kube.Client, tapped: str) -> None:
    found = await client.raw("GET", ROOT)
    assert "deployments/tap" in {row["name"] for row in found["resources"]}


def test_nobody_comes_in_beside_the_api_server(cluster: plane.Cluster, tapped: str, inside: list[str]) -> None:
    url = f"https://127.0.0.1:{PORT}{ROOT}/watch/namespaces/{tapped}/tap"
    pki = next(cluster.folder.rglob("pki"))
    front = ["--cert", str(pki / "front-proxy.crt"), "--key", str(pki / "front-proxy.key")]
    other = ["--cert", str(pki / "apiserver-kubelet.crt"), "--key", str(pki / "apiserver-kubelet.key")]
    asked = ["-X", "POST", "-H", "X-Remote-User: system:admin", "-H", "X-Remote-Group: system:masters", url]
    assert curl(inside, *asked).startswith("401 this address answers to the Kubernetes API server alone")
    assert curl(inside, *other, *asked).startswith("000"), "another authority's certificate ends the connection"
    nobody = ["-X", "POST", "-H", "X-Remote-User: nobody", url]
    assert curl(inside, *front, *nobody).startswith(f"403 nobody may not tap namespace {tapped}: no rule allows it")
    assert curl(inside, *front, "-X", "POST", url).startswith("401 the API server did not say who asks")


FRONT = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
ALLOWED = "requestheader-allowed-names"
POLICIES = "admissionregistration.k8s.io/v1"


def held() -> list[Doc]:
    """What keeps the API server from writing that ConfigMap itself, which it does as soon as somebody else changed it."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["configmaps"]}
    spec = {
        "matchConstraints": {"resourceRules": [{**rule, "resourceNames": ["extension-apiserver-authentication"]}]},
        "validations": [{"expression": "request.userInfo.username != 'system:apiserver'"}],
    }
    meta = {"name": "front-proxy-is-held"}
    bound = {"policyName": meta["name"], "validationActions": ["Deny"]}
    return [
        {"apiVersion": POLICIES, "kind": "ValidatingAdmissionPolicy", "metadata": meta, "spec": spec},
        {"apiVersion": POLICIES, "kind": "ValidatingAdmissionPolicyBinding", "metadata": meta, "spec": bound},
    ]


async def allow(client: kube.Client, names_: str) -> None:
    await client.raw("PATCH", FRONT, {"data": {ALLOWED: names_}}, content_type="application/merge-patch+json")


async def test_with_no_allowed_name_not_even_the_api_server_is_let_in(
    cluster: plane.Cluster, client: kube.Client, tapped: str, inside: list[str]
) -> None:
    pki = next(cluster.folder.rglob("pki"))
    front = ["--cert", str(pki / "front-proxy.crt"), "--key", str(pki / "front-proxy.key")]
    asked = [*front, "-X", "POST", f"https://127.0.0.1:{PORT}{ROOT}/watch/namespaces/{tapped}/tap"]
    before = (await client.raw("GET", FRONT))["data"][ALLOWED]

    async def said(names_: str, sentence: str) -> None:
        async with asyncio.timeout(30):
            while not curl(inside, *asked).startswith(sentence):
                await allow(client, names_)  # again, as the policy takes a moment to hold
                await asyncio.sleep(0.5)

    for doc in held():
        await client.apply_dict(doc)
    try:
        await said("[]", "401 ConfigMap kube-system/extension-apiserver-authentication allows no client name")
    finally:
        for doc in held():
            await client.delete_dict(doc)
        await said(before, "401 the API server did not say who asks")
