"""The Prometheus that the extension brings, as documents. In: a plan. Out: rights, configuration, Service, Deployment; or nothing.

Pure. Where the plan names a Prometheus that is there already, nothing is rendered: its owner adds the jobs of `scrape`. The samples of
ours are on its pod's own disk and go with the pod: a window of hours on what happens, not an archive.
Never here: what is scraped (see `scrape`), rules (files of `isthmus/install/prometheus`).
"""

import hashlib
from typing import Any

from isthmus import names, units
from isthmus.install import manifest, objects
from isthmus.install.prometheus import files as rules
from isthmus.install.viz import plan as plans
from isthmus.install.viz import scrape

Doc = dict[str, Any]

NAME = "prometheus"
PORT = 9090

RIGHTS: tuple[Doc, ...] = ({"apiGroups": [""], "resources": ["nodes", "nodes/metrics", "pods"], "verbs": objects.READ},)
"""Finding what there is to scrape, where Prometheus does that itself."""


def render(plan: plans.Plan) -> list[Doc]:
    if plan.values.prometheus_url:
        return []
    text, files = config(plan), rules.rules(units.duration(plan.values.scrape_interval, key="scrapeInterval"))
    return [
        *plans.account(NAME, RIGHTS if plan.values.discovery == "kubernetes" else ()),
        objects.doc(
            "v1",
            "ConfigMap",
            "prometheus-config",
            names.VIZ_NS,
            labels=plans.labels(NAME),
            data={"prometheus.yml": text},
        ),
        objects.doc("v1", "ConfigMap", "prometheus-rules", names.VIZ_NS, labels=plans.labels(NAME), data=files),
        plans.service(NAME, {"http": PORT}),
        _deployment(plan, hashlib.sha256(f"{text}{sorted(files.items())}".encode()).hexdigest()),
    ]


def config(plan: plans.Plan) -> str:
    """The text of `prometheus.yml`."""
    return manifest.write([scrape.config(plan)]).removeprefix("---\n")


def _deployment(plan: plans.Plan, digest: str) -> Doc:
    arguments = {
        "config.file": "/etc/prometheus/prometheus.yml",
        "storage.tsdb.path": "/data",
        "storage.tsdb.retention.time": plan.values.retention,
        "storage.tsdb.retention.size": plan.values.retention_size,
        "web.listen-address": f":{PORT}",
        "query.max-concurrency": "16",
        "query.timeout": "20s",
        "query.max-samples": "20000000",
        "log.level": "warn",
    }
    probe = {"periodSeconds": 2, "timeoutSeconds": 2, "failureThreshold": 30}
    container = {
        "name": NAME,
        "image": plan.values.prometheus_image,
        "imagePullPolicy": plan.core.values.image_pull_policy,
        "args": [f"--{key}={value}" for key, value in arguments.items()],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PORT}, **probe},
        "livenessProbe": {"httpGet": {"path": "/-/healthy", "port": PORT}, **probe},
        "resources": {
            "requests": {"cpu": "50m", "memory": "128Mi"},
            **({"limits": {"memory": plan.values.memory_limit}} if plan.values.memory_limit else {}),
        },
        "securityContext": objects.confined(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "config", "mountPath": "/etc/prometheus", "readOnly": True},
            {"name": "rules", "mountPath": "/etc/prometheus-rules", "readOnly": True},
        ],
    }
    volumes: list[Doc] = [
        {"name": "data", "emptyDir": {}},
        {"name": "config", "configMap": {"name": "prometheus-config"}},
        {"name": "rules", "configMap": {"name": "prometheus-rules"}},
    ]
    # Scrapes go through its own proxy, so that a port whose policy wants to know its clients takes them. What was learned of a target is
    # kept from one scrape to the next.
    notes = {
        f"{names.CONFIG}proxy-outbound-discovery-cache-unused-timeout": "15m",
        "linkerd.io/config-checksum": digest[:16],
    }
    return plans.deployment(plan, NAME, [container], volumes=volumes, notes=notes)
