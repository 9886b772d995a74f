"""The metrics API at 500 pods: `python -m bench.viz [--pods 500] [--seconds 20]`, as root.

In: a control plane of the lab without nodes, whose controllers make the pods of Deployments that carry a proxy; a Prometheus with our
rules that scrapes pages made up by `bench.rules`. Out: seconds of `isthmus stat deploy`, milliseconds of StatSummary at 50 a second, MB.
Never here: proxies.
"""

import argparse
import asyncio
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time
from typing import Any

import grpc.aio  # noqa: TID251 (a client, as Linkerd's tools are)

from bench import rules
from isthmus import names
from isthmus.install.prometheus import files
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.rpc import viz_pb2 as pb
from tests import promtool

RATE = 50
SPACE, NAME = "shop", "east"
GRPC, HTTP, ADMIN = 18085, 18087, 19995


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name, names.CONTROL_PLANE_NS_LABEL: "linkerd", "linkerd.io/proxy-deployment": name}
    ports = [{"name": "linkerd-admin", "containerPort": 4191}]
    containers = [{"name": "linkerd-proxy", "image": "x", "ports": ports}, {"name": "app", "image": "x"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    meta = {"name": name, "namespace": SPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}


async def furnish(config: str, pods: int) -> None:
    """Deployments, and their pods by Kubernetes' own controllers."""
    async with kube.Client(access.load(NAME, config), timeout=60) as client:
        await client.apply_dict({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
        for n in range(pods // rules.REPLICAS):
            await client.apply_dict(deployment(f"app-{n}", rules.REPLICAS))
        end = time.monotonic() + 300
        while time.monotonic() < end:
            listed = await client.raw("GET", f"/api/v1/namespaces/{SPACE}/pods?limit=1")
            if 1 + listed["metadata"].get("remainingItemCount", 0) >= pods:
                return
            await asyncio.sleep(1)
        raise TimeoutError("the pods")


def question(kind: str, name: str = "") -> bytes:
    chosen = pb.ResourceSelection(resource=pb.Resource(namespace=SPACE, type=kind, name=name))
    return pb.StatSummaryRequest(selector=chosen, time_window="1m", tcp_stats=True).SerializeToString()


async def load(seconds: int, pods: int) -> tuple[list[float], int]:
    """Milliseconds of each answer, in order, and how many were none: at a fixed rate, whether answers come or not."""
    took: list[float] = []
    failed = 0
    async with grpc.aio.insecure_channel(f"127.0.0.1:{GRPC}") as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/linkerd2.viz.Api/StatSummary")

        async def one(body: bytes) -> None:
            nonlocal failed
            began = time.perf_counter()
            try:
                answer = pb.StatSummaryResponse.FromString(await call(body, timeout=30))
                failed += answer.HasField("error") or not answer.ok.stat_tables[0].pod_group.rows
            except grpc.aio.AioRpcError:
                failed += 1
            took.append((time.perf_counter() - began) * 1000)

        some = [question("deployment"), question("namespace", SPACE)]
        some += [question("deployment", f"app-{n}") for n in range(pods // rules.REPLICAS)]
        for warm in some[:2]:
            await one(warm)
        took.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(seconds * RATE):
                # Half of the viewers look at the whole namespace, half at one workload each.
                group.create_task(one(some[0] if random.random() < 0.5 else random.choice(some)))
                await asyncio.sleep(1 / RATE)
    return sorted(took), failed


async def stat(times: int = 5) -> float:
    """Seconds of the question behind `stat deploy`, without what others just asked; the program's own start comes on top."""
    best: list[float] = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{GRPC}") as channel:
        for _ in range(times):
            await asyncio.sleep(1)
            began = time.perf_counter()
            await channel.unary_unary("/linkerd2.viz.Api/StatSummary")(question("deployment"), timeout=30)
            best.append(time.perf_counter() - began)
    return sorted(best)[times // 2]


def resident(pid: int) -> float:
    """MB."""
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmRSS"))) / 1000


def answers() -> bool:
    """Whether the metrics API knows the whole cluster: only then its port opens."""
    with socket.create_connection(("127.0.0.1", GRPC), 1):
        return True


def start(config: str, url: str, cache: str) -> "subprocess.Popen[bytes]":
    """As the image starts it: from bytecode that is there, without texts. To compile costs memory that is not given back."""
    program = [sys.executable, "-OO", "-m", "isthmus", "control", "metrics-api"]
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    env |= {"KUBECONFIG": config, "PYTHONPYCACHEPREFIX": cache, "MALLOC_TRIM_THRESHOLD_": "131072"}
    subprocess.run([*program, "--help"], env=env, stdout=subprocess.DEVNULL, check=True)
    words = ["--prometheus-url", url, "--port", str(GRPC), "--http-port", str(HTTP), "--admin-port", str(ADMIN)]
    return subprocess.Popen([*program, *words], env=env, stdout=sys.stderr)


def main() -> None:
    """A cluster, pages, a Prometheus, the metrics API, questions."""
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--pods", type=int, default=500)
    parse.add_argument("--seconds", type=int, default=20)
    asked = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"ISTHMUS_LAB_DIR": f"{folder}/lab"}
        lab = [sys.executable, "-m", "isthmus", "lab"]
        subprocess.run([*lab, "up", "--no-nodes", "--clusters", NAME], env=env, check=True)
        pages = rules.server([rules.page(pod) for pod in range(asked.pods)])
        address = f"127.0.0.1:{pages.server_port}"
        job = {"job_name": "linkerd-proxy", "static_configs": [rules.scrape(address, n) for n in range(asked.pods)]}
        place = pathlib.Path(folder) / "prometheus"
        place.mkdir()
        running = promtool.Prometheus(place, files.rules(), [job], "10s")
        config = f"{folder}/lab/kubeconfig"
        try:
            asyncio.run(furnish(config, asked.pods))
            child = start(config, running.url, f"{folder}/bytecode")
            try:
                running.until(lambda: bool(running.query("workload:response_latency_ms_bucket:rate1m")), "rules", 180)
                running.until(answers, "the metrics API", 180)
                print(f"{asked.pods} pods: metrics API {resident(child.pid):.1f} MB before questions")
                print(f"stat deploy, all of a namespace: {asyncio.run(stat()) * 1000:.0f} ms")
                took, failed = asyncio.run(load(asked.seconds, asked.pods))
                at = {p: took[min(len(took) - 1, int(len(took) * p / 100))] for p in (50, 95, 99)}
                said = ", ".join(f"p{p} {ms:.0f} ms" for p, ms in at.items())
                print(f"StatSummary at {RATE}/s: {len(took)} answers, {failed} without rows, {said}")
                print(f"metrics API {resident(child.pid):.1f} MB; load average {os.getloadavg()[0]:.1f}")
            finally:
                child.terminate()
                child.wait(30)
        finally:
            running.close()
            pages.shutdown()
            subprocess.run([*lab, "down", "--quiet"], env=env, check=False)


if __name__ == "__main__":
    main()
