"""A proxy's whole environment. In: a `Mesh`, settings and facts of one pod. Out: a list of Kubernetes EnvVar documents.

The contract is the proxy's (`LINKERD2_PROXY_*`, as Linkerd's proxy and ours read it). Pure.
Never here: containers (see `parts`), defaults (see `isthmus.knobs`).
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from isthmus import knobs, names, units
from isthmus.inject import mesh as meshes

Doc = dict[str, Any]
PREFIX = "LINKERD2_PROXY_"
IDENTITY_DIR = "/var/run/linkerd/identity/end-entity"
TOKEN_FILE = "/var/run/secrets/tokens/linkerd-identity-token"  # noqa: S105 (a path)
FOREVER = "365d"


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a pod its proxy's environment needs.

    `local` names the planes (identity, destination, policy) that run in this very pod: the proxy asks those on loopback, in clear.
    `ports` are the TCP ports the containers declare. `tap`: the mesh's tap service may look at its requests.
    """

    ports: tuple[int, ...] = ()
    ingress: bool = False
    first_container: str = ""
    local: frozenset[str] = frozenset()
    tap: bool = False


def environment(mesh: meshes.Mesh, chosen: knobs.Settings, facts: Facts) -> list[Doc]:
    """Every variable, in the order that lets later ones refer to earlier ones."""
    rows = [
        *_downward(mesh, facts),
        *_plain(_runtime(chosen)),
        *_plain(_planes(mesh, facts)),
        *_plain(_workload(mesh)),
        *_policy(mesh, chosen, facts),
        *_plain(_listen(chosen)),
        *_plain(_timeouts(chosen)),
        *_plain(_scope(mesh, chosen, facts)),
    ]
    extra = [dict(one) for one in chosen.proxy_additional_env]
    replaced = {one["name"] for one in extra}
    return [row for row in rows if row["name"] not in replaced] + extra


def _plain(rows: Iterable[tuple[str, str]]) -> list[Doc]:
    return [{"name": PREFIX + name, "value": value} for name, value in rows]


def _field(name: str, path: str) -> Doc:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _downward(mesh: meshes.Mesh, facts: Facts) -> list[Doc]:
    return [
        _field("_pod_name", "metadata.name"),
        _field("_pod_ns", "metadata.namespace"),
        _field("_pod_uid", "metadata.uid"),
        _field("_pod_ip", "status.podIP"),
        _field("_pod_nodeName", "spec.nodeName"),
        _field("_pod_sa", "spec.serviceAccountName"),
        {"name": "_pod_containerName", "value": facts.first_container},
        {"name": "_l5d_ns", "value": mesh.control_ns},
        {"name": "_l5d_trustdomain", "value": mesh.trust_domain},
    ]


def workers(cpu_limit: str) -> int | None:
    """The whole cores a CPU limit amounts to, rounded up; None without one."""
    if not cpu_limit:
        return None
    return max(1, math.ceil(float(cpu_limit[:-1]) / 1000 if cpu_limit.endswith("m") else float(cpu_limit)))


def _runtime(chosen: knobs.Settings) -> list[tuple[str, str]]:
    cores = workers(chosen.proxy_cpu_limit)
    rows = [("CORES_MIN", "1")]
    if cores is not None:
        rows += [("CORES", str(cores)), ("CORES_MAX", str(cores))]
    if chosen.proxy_cpu_ratio_limit is not None:
        rows += [("CORES_MAX_RATIO", str(chosen.proxy_cpu_ratio_limit))]
    headers = "" if chosen.proxy_log_http_headers == "insecure" else ",[{headers}]=off,[{request}]=off"
    rows += [("LOG", chosen.proxy_log_level + headers), ("LOG_FORMAT", chosen.proxy_log_format)]
    if chosen.access_log:
        rows += [("ACCESS_LOG", chosen.access_log)]
    return [
        *rows,
        ("SHUTDOWN_ENDPOINT_ENABLED", _bool(chosen.proxy_admin_shutdown)),
        ("SHUTDOWN_GRACE_PERIOD", units.print_duration(chosen.shutdown_grace_period)),
    ]


_PLANES = (
    # plane, headless Service, port, ServiceAccount
    ("destination", "linkerd-dst-headless", names.DESTINATION_PORT, "linkerd-destination"),
    ("policy", "linkerd-policy", names.POLICY_PORT, "linkerd-destination"),
    ("identity", "linkerd-identity-headless", names.IDENTITY_PORT, "linkerd-identity"),
)


def _planes(mesh: meshes.Mesh, facts: Facts) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for plane, service, port, account in _PLANES:
        near = plane in facts.local
        # Headless: the proxy sees every replica and balances itself. The trailing dots keep resolvers off search lists.
        host = "localhost." if near else f"{service}.{mesh.control_ns}.svc.{mesh.cluster_domain}."
        rows.append((f"{plane.upper()}_SVC_ADDR", f"{host}:{port}"))
        if not near:
            rows.append((f"{plane.upper()}_SVC_NAME", mesh.identity(account)))
    if facts.tap:
        rows.append(("TAP_SVC_NAME", mesh.tap_identity))
    return [
        *rows,
        ("CONTROL_STREAM_INITIAL_TIMEOUT", "3s"),
        ("CONTROL_STREAM_IDLE_TIMEOUT", "5m"),
        ("CONTROL_STREAM_LIFETIME", "1h"),
    ]


def _workload(mesh: meshes.Mesh) -> list[tuple[str, str]]:
    local = f"$(_pod_sa).$(_pod_ns).serviceaccount.identity.{mesh.control_ns}.{mesh.trust_domain}"
    return [
        ("POLICY_WORKLOAD", json.dumps({"ns": "$(_pod_ns)", "pod": "$(_pod_name)"}, separators=(",", ":"))),
        (
            "DESTINATION_CONTEXT",
            json.dumps(
                {"ns": "$(_pod_ns)", "nodeName": "$(_pod_nodeName)", "pod": "$(_pod_name)"}, separators=(",", ":")
            ),
        ),
        ("IDENTITY_DIR", IDENTITY_DIR),
        ("IDENTITY_TRUST_ANCHORS", mesh.anchors),
        ("IDENTITY_TOKEN_FILE", TOKEN_FILE),
        ("IDENTITY_LOCAL_NAME", local),
    ]


def _policy(mesh: meshes.Mesh, chosen: knobs.Settings, facts: Facts) -> list[Doc]:
    ports = chosen.pod_inbound_ports or ",".join(map(str, sorted(facts.ports)))
    rows = [
        ("INBOUND_DEFAULT_POLICY", chosen.default_inbound_policy),
        ("POLICY_CLUSTER_NETWORKS", mesh.cluster_networks),
        ("INBOUND_PORTS", ports),
        ("INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION", chosen.opaque_ports),
    ]
    if chosen.proxy_require_identity_inbound_ports:
        rows.append(("INBOUND_PORTS_REQUIRE_IDENTITY", chosen.proxy_require_identity_inbound_ports))
    if "identity" in facts.local:
        rows.append(("INBOUND_PORTS_REQUIRE_TLS", str(names.IDENTITY_PORT)))
    return [*_plain(rows), _field(PREFIX + "INBOUND_IPS", "status.podIPs")]


def _listen(chosen: knobs.Settings) -> list[tuple[str, str]]:
    outbound = f"127.0.0.1:{chosen.outbound_port}"
    return [
        ("CONTROL_LISTEN_ADDR", f"0.0.0.0:{chosen.control_port}"),
        ("ADMIN_LISTEN_ADDR", f"0.0.0.0:{chosen.admin_port}"),
        ("INBOUND_LISTEN_ADDR", f"0.0.0.0:{chosen.inbound_port}"),
        ("OUTBOUND_LISTEN_ADDR", outbound),
        ("OUTBOUND_LISTEN_ADDRS", outbound),
    ]


def _timeouts(chosen: knobs.Settings) -> list[tuple[str, str]]:
    rows = [
        ("INBOUND_CONNECT_TIMEOUT", units.print_duration(chosen.proxy_inbound_connect_timeout)),
        ("OUTBOUND_CONNECT_TIMEOUT", units.print_duration(chosen.proxy_outbound_connect_timeout)),
        ("INBOUND_DISCOVERY_IDLE_TIMEOUT", units.print_duration(chosen.proxy_inbound_discovery_cache_unused_timeout)),
        ("OUTBOUND_DISCOVERY_IDLE_TIMEOUT", units.print_duration(chosen.proxy_outbound_discovery_cache_unused_timeout)),
    ]
    if chosen.proxy_disable_inbound_protocol_detect_timeout:
        rows.append(("INBOUND_DETECT_TIMEOUT", FOREVER))
    if chosen.proxy_disable_outbound_protocol_detect_timeout:
        rows.append(("OUTBOUND_DETECT_TIMEOUT", FOREVER))
    return [
        *rows,
        ("INBOUND_ACCEPT_KEEPALIVE", "10000ms"),
        ("OUTBOUND_CONNECT_KEEPALIVE", "10000ms"),
        ("INBOUND_ACCEPT_USER_TIMEOUT", "30s"),
        ("OUTBOUND_CONNECT_USER_TIMEOUT", "30s"),
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "10s"),
        ("INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "3s"),
        ("OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "10s"),
        ("OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "3s"),
    ]


def _scope(mesh: meshes.Mesh, chosen: knobs.Settings, facts: Facts) -> list[tuple[str, str]]:
    suffix = f"svc.{mesh.cluster_domain}."
    rows = [
        ("DESTINATION_PROFILE_NETWORKS", mesh.cluster_networks),
        ("DESTINATION_PROFILE_SUFFIXES", "." if chosen.enable_external_profiles else suffix),
        ("OUTBOUND_METRICS_HOSTNAME_LABELS", _bool(chosen.proxy_metrics_hostname_labels)),
    ]
    if chosen.enable_gateway:
        rows.append(("INBOUND_GATEWAY_SUFFIXES", suffix))
    if facts.ingress:
        rows.append(("INGRESS_MODE", "true"))
    return rows


def _bool(value: object) -> str:
    return "true" if value else "false"
