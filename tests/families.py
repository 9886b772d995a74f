"""Which series exist, with their labels: of proxies by docs/metrics.md, of our planes by their real registries, of rules by the rules.

In: the page, the planes. Out: `known()`. The page is held to the proxy's source by a unit test and to real pages by the wire tier.
Never here: Prometheus' own and the kubelets' series (see the test that knows them).
"""

import functools
import itertools
import pathlib
import re
from typing import Any

import prometheus_client
import yaml

from isthmus.destination import run as destination
from isthmus.identity import api as identity_api
from isthmus.identity import keeper
from isthmus.identity import run as identity
from isthmus.inject import api as inject
from isthmus.install.prometheus import files
from isthmus.multicluster.shell import meters
from isthmus.policy import run as policy
from isthmus.serve import https

ROOT = pathlib.Path(__file__).parents[1]
OWNERS = frozenset({"deployment", "statefulset", "daemonset", "replicaset", "replicationcontroller", "k8s_job"})
SCRAPED = OWNERS | {"cluster", "namespace", "pod", "instance", "job", "cronjob", "component", "control_plane_ns"}
"""Labels that the scrape jobs add."""
ENDPOINT = (
    OWNERS
    | {"namespace", "service", "pod", "serviceaccount", "control_plane_ns", "pod_template_hash", "zone"}
    | {"target_cluster", "target_service", "target_service_namespace"}
)
"""What the destination plane says of an endpoint; proxies put `dst_` before it."""
Families = dict[str, frozenset[str]]


def spread(name: str) -> list[str]:
    """`a_{b,c}` is `a_b` and `a_c`."""
    parts = [part.split(",") if index % 2 else [part] for index, part in enumerate(re.split(r"\{([^}]*)\}", name))]
    return ["".join(choice) for choice in itertools.product(*parts)]


def words(cell: str) -> list[str]:
    """Names between backticks; `a,b` is two, and a comma within braces is none."""
    quoted = re.findall(r"`([a-z0-9_{},]+)`", cell)
    return [name for text in quoted for piece in re.split(r",(?![^{]*\})", text) for name in spread(piece)]


def shorts() -> Families:
    """What the page's short words stand for."""
    sets = {
        name: frozenset(f"{kind}_{part}" for part in ("group", "kind", "name"))
        for name, kind in (("R", "route"), ("A", "authz"))
    }
    parents = [
        frozenset(f"{kind}_{part}" for part in ("group", "kind", "namespace", "name", "port", "section_name"))
        for kind in ("parent", "backend")
    ]
    return {
        **sets,
        "T": frozenset({"target_addr", "target_ip", "target_port"}),
        "TLS": frozenset({"tls", "client_id", "server_id", "sni", "no_tls_reason"}),
        "S": frozenset(f"srv_{part}" for part in ("group", "kind", "name", "port")),
        "P": parents[0],
        "B": parents[1],
        "RT": frozenset(f"route_{part}" for part in ("group", "kind", "namespace", "name")),
        "D": frozenset(f"dst_{label}" for label in ENDPOINT) | {"zone_locality"},
    }


@functools.cache
def proxies() -> Families:
    """Family -> labels, as the page tells them; a histogram has `_bucket`, `_sum` and `_count` too."""
    page = (ROOT / "docs/metrics.md").read_text()
    means, made, before = shorts(), Families(), frozenset[str]()
    table = page.partition("## Families")[2].partition("## Bounds")[0]
    for names, _, labels in re.findall(r"^\| (`[^|]+) \| ([^|]*) \| ([^|]*) \|$", table, re.MULTILINE):
        said = frozenset(words(labels)).union(
            *(means[word] for word in re.findall(r"\b[A-Z]+\b", labels) if word in means)
        )
        before = before | said if "the same" in labels else said
        for name in words(names):
            made[name] = made.get(name, frozenset()) | before
            made |= {f"{name}_{part}": made[name] | {"le"} for part in ("bucket", "sum", "count")}
    return made


def of(registry: prometheus_client.CollectorRegistry) -> Families:
    """What a registry shows."""
    made = Families()
    for name, collector in registry._names_to_collectors.items():
        found: Any = collector
        made[name] = frozenset(getattr(found, "_labelnames", ())) | ({"le"} if name.endswith("_bucket") else set())
    return made


@functools.cache
def planes() -> Families:
    """Families of all planes; nothing is read, so nobody has to run."""
    registry = prometheus_client.CollectorRegistry()
    meters.Meters(registry)
    inject.Meters(registry)
    unused: Any = None
    nowhere = pathlib.Path("/nowhere")
    identity.measure(registry, keeper.Keeper(nowhere, nowhere, unused, unused))
    identity_api.Identity(unused, unused, unused, now=unused, serial=unused, tell=unused, registry=registry)
    destination.measure(registry, unused, unused, unused, ())
    policy._measure(registry, unused, unused, ())
    https.measure(registry, unused)
    process = prometheus_client.CollectorRegistry()
    prometheus_client.ProcessCollector(registry=process)
    return of(registry) | {sample.name: frozenset() for family in process.collect() for sample in family.samples}


@functools.cache
def recorded() -> Families:
    """What the rules record, with the labels they keep."""
    rules = [rule for group in yaml.safe_load(files.rules()[files.RECORDING])["groups"] for rule in group["rules"]]
    made = Families()
    for rule in rules:
        by = re.search(r"sum by \(([^)]*)\)", rule["expr"])
        if by:
            made[rule["record"]] = frozenset(label.strip() for label in by[1].split(","))
        else:
            below = re.search(r"sum without \(pod\) \(([^)]*)\)", rule["expr"])
            assert below, rule
            made[rule["record"]] = made[below[1]] - {"pod"}
    return made


@functools.cache
def known() -> Families:
    """All of it; what is scraped has the labels of its target too."""
    scraped = {**planes(), **proxies()}
    return {**{name: labels | SCRAPED for name, labels in scraped.items()}, **recorded()}
