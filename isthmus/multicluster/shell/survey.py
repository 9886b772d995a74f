"""What a person asks about links. In: the source's API. Out: rows. Never here: changes."""

import asyncio
import math
from dataclasses import dataclass
from typing import Any

from lightkube.resources.core_v1 import Pod
from prometheus_client.parser import text_string_to_metric_families

from isthmus.errors import IsthmusError
from isthmus.kube import client as kube
from isthmus.kube import crds
from isthmus.multicluster import objects

_LABEL = "target_cluster_name"


@dataclass(frozen=True, slots=True)
class Row:
    """One gateway. `latency` is the median of answered probes in whole milliseconds, None without any."""

    cluster: str
    alive: bool
    services: int
    latency: int | None


async def gateways(client: kube.Client, namespace: str) -> list[Row]:
    """A row for each Link, by its status; latencies come from the mirrors' own metrics, through the API server."""
    found, pages = await asyncio.gather(client.list(crds.Link, namespace), _metrics(client, namespace))
    rows = [row(str(one.spec.get("targetClusterName") or ""), one.status, pages) for one in found]
    return sorted(rows, key=lambda r: r.cluster)


def row(cluster: str, status: dict[str, Any], pages: list[str]) -> Row:
    """Pure: one Link's status and the metrics pages of every mirror, as a row."""
    facts: list[dict[str, Any]] = status.get("conditions") or []
    summary: dict[str, Any] = status.get("summary") or {}
    said = {str(fact.get("type")): fact.get("status") for fact in facts}
    services = int(summary.get("mirrored") or 0)
    return Row(cluster, said.get("GatewayAlive") == "True", services, median(cluster, pages))


def median(cluster: str, pages: list[str]) -> int | None:
    """The median of `gateway_probe_latency_ms` for a cluster, over all pages; None where there are no samples."""
    counts: dict[float, float] = {}
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == "gateway_probe_latency_ms_bucket" and sample.labels.get(_LABEL) == cluster:
                    edge = float(sample.labels["le"])
                    counts[edge] = counts.get(edge, 0.0) + sample.value
    total = counts.get(math.inf, 0.0)
    edges = (edge for edge in sorted(counts) if counts[edge] >= total / 2)
    middle = next(edges, None) if total else None
    return None if middle is None or math.isinf(middle) else round(middle)


async def _metrics(client: kube.Client, namespace: str) -> list[str]:
    try:
        pods = await client.list(Pod, namespace, labels={"component": objects.CONTROLLER})
    except IsthmusError:
        return []
    ready = [pod.metadata.name for pod in pods if pod.metadata and pod.status and pod.status.phase == "Running"]
    path = f"/api/v1/namespaces/{namespace}/pods/{{}}:{objects.ADMIN_PORT}/proxy/metrics"
    pages = await asyncio.gather(*(client.text(path.format(name)) for name in ready), return_exceptions=True)
    return [page for page in pages if isinstance(page, str)]
