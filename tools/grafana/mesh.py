"""Dashboards of the mesh as a whole: the top line, what crosses clusters, links, health of control plane and proxies.

In: panels of `parts`. Out: `BOARDS`. Queries read recorded series where a rule keeps what they ask for (docs/alerts.md).
Never here: Grafana's format (see `model`), one workload (see `workloads`).
"""

from tools.grafana.model import CLUSTER, Board, Panel, Query, Row, Variable
from tools.grafana.parts import (
    OUR_JOBS,
    OWNER,
    WHO,
    firing,
    golden,
    lines,
    matching,
    number,
    processes,
    quantile,
    raw,
    recorded,
    success,
    tcp,
    total,
)

WORKLOAD, EDGE, LINK = recorded("workload"), recorded("edge"), recorded("link")
SEEN = "workload:response_total:rate1m"


def top_line() -> Board:
    inbound = matching('direction="inbound"')
    meshed = f'count(up{{{CLUSTER}, job="linkerd-proxy"}} == 1)'
    spaces = f"count(count by (namespace) ({SEEN}{{{CLUSTER}}}))"
    secured = f'sum(workload:response_total:rate1m{{{inbound}, tls="true"}}) / sum(workload:response_total:rate1m{{{inbound}}})'
    rows = (
        Row(
            "Now",
            (
                number("success", "percentunit", success(WORKLOAD, inbound)),
                number("requests", "reqps", total(WORKLOAD("response_total", inbound))),
                number("latency, p95", "ms", quantile(0.95, WORKLOAD, inbound)),
                number("by mTLS", "percentunit", secured),
                number("meshed pods", "short", meshed),
                number("namespaces", "short", spaces),
            ),
        ),
        Row("Alerts", (firing(),)),
        golden("By cluster, inbound", WORKLOAD, inbound, ("cluster",), "{{cluster}}"),
        golden("By namespace, inbound", WORKLOAD, inbound, ("namespace",), "{{namespace}}"),
        golden("By workload, inbound", WORKLOAD, inbound, OWNER, WHO),
        tcp("TCP", "workload", CLUSTER),
    )
    return Board("top-line", "top line", rows)


def multicluster() -> Board:
    crossing = matching('dst_target_cluster=~"$target"')
    by, legend = ("dst_target_cluster", "dst_target_service_namespace", "dst_target_service"), _crossed()
    gateway = matching('namespace="linkerd-multicluster"', 'deployment="linkerd-gateway"')
    entered = total(raw("inbound_tcp_transport_header_connections_total", gateway), ("target_name", "session_protocol"))
    rows = (
        golden("By target cluster", LINK, crossing, ("dst_target_cluster",), "{{dst_target_cluster}}"),
        golden("By Service of a target", LINK, crossing, by, legend),
        golden("By caller", EDGE, crossing, ("dst_target_cluster", *OWNER), f"{WHO} > {{{{dst_target_cluster}}}}"),
        golden("This cluster's own gateway", WORKLOAD, f'{gateway}, direction="inbound"'),
        Row(
            "What enters by it",
            (lines("connections", "cps", (entered, "{{target_name}} {{session_protocol}}"), width=24),),
        ),
    )
    return Board(
        "multicluster",
        "multicluster",
        rows,
        (Variable("target", f"link:response_total:rate1m{{{CLUSTER}}}", "dst_target_cluster"),),
    )


def _crossed() -> str:
    return "{{dst_target_cluster}} {{dst_target_service_namespace}}/{{dst_target_service}}"


def links() -> Board:
    label = "target_cluster_name"
    match = matching(f'{label}=~"$target"')
    crossing = matching('dst_target_cluster=~"$target"')
    called, by = f"{{{{{label}}}}}", (label,)
    failing = total(raw("gateway_probes_total", f'{match}, probe_successful="false"'), by)
    health = (
        lines("alive", "short", (f"max by ({label}) (gateway_alive{{{match}}})", called), says="No series: unknown."),
        lines("probes that failed", "short", (failing, called)),
        lines(
            "probe latency",
            "ms",
            *(
                (quantile(share, raw, match, by, "gateway_probe_latency_ms_bucket"), f"{called} {word}")
                for word, share in (("p50", 0.5), ("p99", 0.99))
            ),
        ),
    )
    mirror = (
        lines(
            "target last heard",
            "s",
            (f"max by ({label}) (service_mirror_target_age_seconds{{{match}}})", called),
            width=6,
        ),
        lines(
            "exports by outcome",
            "short",
            (total(f"service_mirror_services{{{match}}}", (label, "reason")), f"{called} {{{{reason}}}}"),
            width=6,
        ),
        lines(
            "writes",
            "wps",
            (
                total(raw("service_mirror_writes_total", match), (label, "kind", "verb")),
                f"{called} {{{{verb}}}} {{{{kind}}}}",
            ),
            width=6,
        ),
        lines(
            "repairs of endpoints",
            "wps",
            (total(raw("service_mirror_endpoint_repairs_total", match), by), called),
            width=6,
        ),
    )
    bytes_by = ("dst_target_cluster",)
    wire = tuple(
        lines(title, "Bps", (total(EDGE(family, crossing), bytes_by), "{{dst_target_cluster}}"), width=8)
        for title, family in (("read", "tcp_read_bytes_total"), ("written", "tcp_write_bytes_total"))
    )
    opened = total(f"edge:tcp_open_connections:sum{{{crossing}}}", ("dst_target_cluster", "tls"))
    rows = (
        Row("Alerts", (firing("IsthmusGateway.*|IsthmusLink.*"),)),
        Row("Gateways", health),
        Row("Mirrors", mirror),
        golden("Traffic", LINK, crossing, ("dst_target_cluster",), "{{dst_target_cluster}}"),
        Row("The line", (lines("connections", "short", (opened, "{{dst_target_cluster}} mTLS {{tls}}")), *wire)),
    )
    return Board("links", "links", rows, (Variable("target", f"gateway_enabled{{{CLUSTER}}}", label),))


def health() -> Board:
    ours = matching(OUR_JOBS)
    left = f"control_identity_cert_expiration_timestamp_seconds{{{CLUSTER}}} - time()"
    certified = total(raw("identity_certify_total", CLUSTER), ("status",))
    injected = total(raw("proxy_inject_admission_responses_total", CLUSTER), ("skip", "skip_reason"))
    streams = tuple(
        (f"sum by (pod) ({plane}_streams{{{CLUSTER}}})", f"{plane} {{{{pod}}}}") for plane in ("destination", "policy")
    )
    ages = tuple(
        (f"max by (pod) ({plane}_watch_age_seconds{{{CLUSTER}}})", f"{plane} {{{{pod}}}}")
        for plane in ("destination", "policy")
    )
    lost = tuple(
        (total(raw(family, CLUSTER)), family)
        for family in ("tap_events_dropped_total", "access_log_dropped_total", "opentelemetry_spans_dropped_total")
    )
    rows = (
        Row("Alerts", (firing(),)),
        Row(
            "Certificates",
            (
                number("anchor's time left", "s", f"min(trust_anchor_ttl_seconds{{{CLUSTER}}})", 6),
                number("issuer's time left", "s", f"min(issuer_cert_ttl_seconds{{{CLUSTER}}})", 6),
                number("least time left of a proxy", "s", f"min({left})", 6),
                lines("certificates asked for", "reqps", (certified, "{{status}}"), width=6),
            ),
        ),
        Row(
            "Control plane",
            (
                lines("instances up", "short", (f"sum by (component) (up{{{ours}}})", "{{component}}"), width=6),
                lines("streams held", "short", *streams, width=6),
                lines("API server last heard", "s", *ages, width=6),
                lines("pods looked at", "reqps", (injected, "skipped {{skip}} {{skip_reason}}"), width=6),
            ),
        ),
        processes("What it takes", ours, "{{component}} {{pod}}"),
        Row(
            "Proxies",
            (
                lines(
                    "on the last answer",
                    "short",
                    (f"count by (kind) (control_stale_streams{{{CLUSTER}}} > 0)", "{{kind}}"),
                    width=6,
                ),
                lines(
                    "calls to the control plane that failed",
                    "reqps",
                    (
                        total(raw("control_response_total", matching('classification="failure"')), ("grpc_status",)),
                        "gRPC {{grpc_status}}",
                    ),
                    width=6,
                ),
                lines("lost", "short", *lost, width=6),
                lines(
                    "label sets folded",
                    "short",
                    (total(raw("metrics_series_folded_total", CLUSTER), ("family",)), "{{family}}"),
                    width=6,
                ),
            ),
        ),
        Row(
            "Versions",
            (
                Panel(
                    "proxies by version",
                    "short",
                    (Query(f"count by (version, vendor) (proxy_build_info{{{CLUSTER}}})"),),
                    kind="table",
                    width=24,
                ),
            ),
        ),
    )
    return Board("health", "health of the mesh", rows)


BOARDS: tuple[Board, ...] = (top_line(), multicluster(), links(), health())
