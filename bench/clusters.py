"""Times of the lab's stories: first answer across, readiness of an injected pod, a thousand exports. Run: `python -m bench.clusters`.

In: the machine, as root, with binaries and images built; no lab may be up. Out: lines for docs/performance.md. The lab is taken down at
the end, also after a failure. Never here: the proxy's own cost (see `proxies`).
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import Any

from isthmus.demo import app, run
from isthmus.kube import access, client
from isthmus.lab import layout

EXPORTS = 1000
NAMESPACE = "bench-exports"


def isthmus(*words: str) -> str:
    """One of our commands."""
    done = subprocess.run([sys.executable, "-m", "isthmus", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"isthmus {' '.join(words)}: {done.stderr[-2000:]}")
    return done.stdout


def kubectl(cluster: str, *words: str, text: str | None = None) -> str:
    """Kubectl on the lab."""
    words = ("lab", "kubectl", cluster, *words)
    done = subprocess.run(
        [sys.executable, "-m", "isthmus", *words], input=text, capture_output=True, text=True, check=True
    )
    return done.stdout


async def first_answer() -> float:
    """Seconds from two bare clusters to the first answer of west to a client in east."""
    began = time.monotonic()
    both = [asyncio.to_thread(isthmus, "install", "--apply", "--context", c) for c in ("east", "west")]
    await asyncio.gather(*both)
    print(f"  installed after {time.monotonic() - began:.1f} s", flush=True)
    isthmus("link", "east", "west", "--apply")
    print(f"  linked after {time.monotonic() - began:.1f} s", flush=True)
    options = run.Options("east", "west", run.default_image(), "east", "west", phase_seconds=0.1)
    await run.show(options)
    return time.monotonic() - began


def ready_after(name: str, inject: str) -> float:
    """Seconds from a Pod's creation to its readiness, by the API server's own stamps where they are finer than a second: ours."""
    pod: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": app.NAMESPACE, "annotations": {"linkerd.io/inject": inject}},
        "spec": {"containers": [{"name": "app", "image": run.default_image(), "args": ["serve"]}]},
    }
    began = time.monotonic()
    kubectl("east", "apply", "-f", "-", text=json.dumps(pod))
    kubectl("east", "-n", app.NAMESPACE, "wait", f"pod/{name}", "--for=condition=Ready", "--timeout=60s")
    took = time.monotonic() - began
    kubectl("east", "-n", app.NAMESPACE, "delete", "pod", name, "--grace-period=0", "--force")
    return took


async def exports() -> tuple[float, float]:
    """Seconds for a thousand raw creates of Service and EndpointSlice in east, and for a thousand exports until mirrored."""
    east, west = client.Client(access.load("east")), client.Client(access.load("west"))
    try:
        for one in (east, west):
            await one.apply_dict({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        raw = await create(east, "raw", {}, slices=True)
        began = time.monotonic()
        await create(west, "out", {"mirror.linkerd.io/exported": "true"}, slices=False)
        created = time.monotonic() - began
        while True:
            # With a selector the server does not count what it leaves off, so all of them are read.
            path = f"/api/v1/namespaces/{NAMESPACE}/services?labelSelector=mirror.linkerd.io%2Fmirrored-service%3Dtrue"
            count = len((await east.raw("GET", path))["items"])
            if count >= EXPORTS or time.monotonic() - began > 300:
                break
            await asyncio.sleep(0.5)
        print(f"  exports: created in {created:.1f} s, {count} mirrored", flush=True)
        return raw, time.monotonic() - began
    finally:
        await east.close()
        await west.close()


async def create(cluster: client.Client, prefix: str, labels: dict[str, str], *, slices: bool) -> float:
    """Seconds to create EXPORTS Services (and slices) one after the other over one client."""
    began = time.monotonic()
    for number in range(EXPORTS):
        name = f"{prefix}-{number}"
        meta = {"name": name, "namespace": NAMESPACE, "labels": labels}
        await cluster.raw("POST", f"/api/v1/namespaces/{NAMESPACE}/services", service(meta))
        if slices:
            await cluster.raw(
                "POST", f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices", endpoint_slice(meta)
            )
    return time.monotonic() - began


def service(meta: dict[str, Any]) -> dict[str, Any]:
    """A Service without Pods."""
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"name": "http", "port": 80}]}}


def endpoint_slice(meta: dict[str, Any]) -> dict[str, Any]:
    """What a mirror's slice costs to write."""
    labels = {"kubernetes.io/service-name": meta["name"]}
    endpoints = [{"addresses": ["10.99.0.100"], "conditions": {"ready": True}}]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**meta, "labels": labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 4143, "protocol": "TCP"}],
        "endpoints": endpoints,
    }


async def main() -> None:
    """All three, on a fresh lab."""
    began = time.monotonic()
    isthmus("lab", "up")
    print(f"lab up: {time.monotonic() - began:.1f} s", flush=True)
    os.environ["KUBECONFIG"] = str(layout.state_dir(os.environ) / "kubeconfig")
    try:
        print(f"two bare clusters to the first answer across: {await first_answer():.1f} s", flush=True)
        for kind, inject in (("plain", "disabled"), ("injected", "enabled")) * 4:
            print(f"{kind} pod ready after {ready_after(f'ready-{kind}', inject):.2f} s", flush=True)
        raw, mirrored = await exports()
        print(
            f"{EXPORTS} raw creates (Service and slice): {raw:.1f} s; exports to all mirrored: {mirrored:.1f} s",
            flush=True,
        )
    finally:
        isthmus("lab", "down")


if __name__ == "__main__":
    asyncio.run(main())
