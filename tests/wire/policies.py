"""Outbound policies and profiles as whole messages, in protobuf's JSON form: what a test wants said, and nothing else.

In: rules, backends, filters as plain values. Out: state entries for `world.State.edit`. Never here: sockets or processes.
"""

import base64
from typing import Any

from tests.wire import world

Said = dict[str, Any]
SHORT = "0.010s"


def service(name: str, port: int = 80) -> Said:
    return {
        "resource": {"group": "core", "kind": "Service", "name": name, "namespace": "default", "port": port},
    }


def backend(path: str, *, capacity: int = 100, failfast: str = "1s") -> Said:
    """A balancer over a discovery path."""
    name, _, port = path.rpartition(":")
    return {
        "metadata": service(name.split(".")[0], int(port)),
        "queue": {"capacity": capacity, "failfastTimeout": failfast},
        "balancer": {"discovery": {"dst": {"path": path}}, "peakEwma": {"defaultRtt": "0.030s", "decay": "10s"}},
    }


def reference(path: str, *filters: Said, **queue: Any) -> Said:
    return {"backend": backend(path, **queue), "filters": list(filters)}


def first(*references: Said) -> Said:
    return {"firstAvailable": {"backends": list(references)}}


def rule(backends: Said | None = None, **parts: Any) -> Said:
    """A rule for every path, unless `matches` says otherwise."""
    everything = [{"path": {"prefix": "/"}}]
    return {"matches": everything, "backends": backends or first(reference(world.path("web"))), **parts}


def retry(limit: int, *, timeout: str = "", size: int = 65_536, low: int = 500, high: int = 599) -> Said:
    said: Said = {
        "maxRetries": limit,
        "maxRequestBytes": size,
        "conditions": {"statusRanges": [{"start": low, "end": high}]},
        "backoff": {"minBackoff": SHORT, "maxBackoff": "0.050s", "jitterRatio": 0.5},
    }
    return said | ({"timeout": timeout} if timeout else {})


def http(*rules: Said, parent: str = "web") -> Said:
    """A policy that detects; every rule belongs to one HTTPRoute."""
    route = {
        "metadata": {
            "resource": {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "r", "namespace": "default"}
        },
        "rules": list(rules),
    }
    detect = {"timeout": "10s", "http1": {"routes": [route]}, "http2": {"routes": [route]}, "opaque": {}}
    return {"proto": {"metadata": service(parent), "protocol": {"detect": detect}}}


def grpc(*rules: Said, parent: str = "health", port: int = 50051) -> Said:
    route = {
        "metadata": {
            "resource": {"group": "gateway.networking.k8s.io", "kind": "GRPCRoute", "name": "r", "namespace": "default"}
        },
        "rules": list(rules),
    }
    return {"proto": {"metadata": service(parent, port), "protocol": {"grpc": {"routes": [route]}}}}


def headers(kind: str, **values: str) -> Said:
    """A modifier that sets headers: `request` or `response`."""
    pairs = [{"name": name.replace("_", "-"), "value": encoded(value)} for name, value in values.items()]
    return {f"{kind}HeaderModifier": {"set": {"headers": pairs}}}


def encoded(text: str) -> str:
    """Bytes in protobuf's JSON form."""
    return base64.b64encode(text.encode()).decode()
