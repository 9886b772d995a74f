"""Dashboards of workloads, pods, namespaces, Services, authorities and routes.

In: panels of `parts`. Out: `BOARDS`. Queries read recorded series where a rule keeps what they ask for (docs/alerts.md).
Never here: Grafana's format (see `model`), the mesh as a whole (see `mesh`).
"""

from isthmus.install.prometheus import recording
from tools.grafana.model import CLUSTER, Board, Row, Variable
from tools.grafana.parts import (
    DST_WHO,
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

WORKLOAD, EDGE, POD = recorded("workload"), recorded("edge"), recorded("pod")
ROUTE, BACKEND, SERVER = recorded("route"), recorded("backend"), recorded("server")
SEEN = "workload:response_total:rate1m"
NAMESPACE = Variable("namespace", f"{SEEN}{{{CLUSTER}}}", "namespace")
KINDS = {
    "deployment": "deployment",
    "statefulset": "statefulset",
    "daemonset": "daemonset",
    "replicaset": "replicaset",
    "replicationcontroller": "replicationcontroller",
    "job": "k8s_job",
    "cronjob": "cronjob",
}
"""Dashboard -> label."""
FAILED = 'error!=""'
HERE = matching('namespace="$namespace"')


def per_pod(match: str) -> Row:
    return golden("Pods, inbound", POD, f'{match}, direction="inbound"', ("pod",), "{{pod}}")


def server_routes(match: str) -> Row:
    by, legend = ("srv_name", "route_kind", "route_name"), "{{srv_name}} {{route_kind}}/{{route_name}}"
    denied = total(SERVER("inbound_http_authz_deny_total", match), by)
    return Row(
        "By route, inbound",
        (
            lines("requests", "reqps", (total(SERVER("response_total", match), by), legend)),
            lines("success", "percentunit", (success(SERVER, match, by), legend)),
            lines("denied by policy", "reqps", (denied, legend)),
        ),
    )


def workload(name: str, label: str) -> Board:
    """One workload: what it serves, to whom, by which route, what it calls, its pods."""
    match = matching('namespace="$namespace"', f'{label}="${label}"')
    callers = matching('dst_namespace="$namespace"', f'dst_{label}="${label}"')
    # An endpoint is known by its pod's own owner, which is the Job.
    by_caller = () if label == "cronjob" else (golden("By caller", EDGE, callers, OWNER, WHO),)
    rows = (
        golden("Inbound", WORKLOAD, f'{match}, direction="inbound"'),
        *by_caller,
        server_routes(match),
        golden("Calls it makes", EDGE, match, ("dst_namespace", "dst_service"), DST_WHO),
        tcp("TCP", "workload", match),
        per_pod(match),
    )
    series = f'{SEEN}{{{HERE}, {label}!=""}}'
    return Board(name, name, rows, (NAMESPACE, Variable(label, series, label)))


def pod() -> Board:
    match = matching('namespace="$namespace"', 'pod="$pod"')
    left = f"control_identity_cert_expiration_timestamp_seconds{{{match}}} - time()"
    proxy = matching('namespace="$namespace"', 'pod="$pod"', 'job="linkerd-proxy"')
    refused = total(raw("inbound_refused_total", match), ("reason",))
    rows = (
        golden("Inbound", POD, f'{match}, direction="inbound"'),
        golden("Calls it makes", raw, f'{match}, direction="outbound"', ("dst_namespace", "dst_service"), DST_WHO),
        golden(
            "By caller", raw, matching('direction="outbound", dst_namespace="$namespace", dst_pod="$pod"'), OWNER, WHO
        ),
        tcp("TCP", "pod", match),
        Row(
            "The proxy",
            (
                number("certificate's time left", "s", f"max({left})", 6),
                number("streams on the last answer", "short", f"sum(control_stale_streams{{{match}}})", 6),
                lines("turned away", "reqps", (refused, "{{reason}}"), width=12),
            ),
        ),
        processes("What the proxy takes", proxy, "{{pod}}", ("pod",)),
    )
    return Board("pod", "pod", rows, (NAMESPACE, Variable("pod", f"pod:response_total:rate1m{{{HERE}}}", "pod")))


def namespace() -> Board:
    inbound = f'{HERE}, direction="inbound"'
    rows = (
        golden("All workloads, inbound", WORKLOAD, inbound),
        golden("By workload, inbound", WORKLOAD, inbound, OWNER, WHO),
        golden(
            "Calls to other namespaces",
            EDGE,
            f'{HERE}, dst_namespace!="$namespace"',
            ("dst_namespace", "dst_service"),
            DST_WHO,
        ),
        tcp("TCP", "workload", HERE),
        Row("Alerts", (firing(),)),
    )
    return Board("namespace", "namespace", rows, (NAMESPACE,))


def service() -> Board:
    match = matching('dst_namespace="$namespace"', 'dst_service="$service"')
    parent = matching('parent_namespace="$namespace"', 'parent_name="$service"')
    split = total(BACKEND("outbound_http_route_backend_requests_total", parent), ("backend_namespace", "backend_name"))
    ends = total(
        BACKEND("outbound_http_route_backend_response_statuses_total", parent), ("backend_name", "http_status")
    )
    rows = (
        golden("All callers", EDGE, match),
        golden("By caller", EDGE, match, OWNER, WHO),
        golden(
            "By workload behind it",
            EDGE,
            match,
            ("dst_namespace", *recording.BEHIND),
            _behind(),
        ),
        Row(
            "The split, as measured",
            (
                lines("requests by backend", "reqps", (split, "{{backend_namespace}}/{{backend_name}}"), width=12),
                lines("answers by backend", "reqps", (ends, "{{backend_name}} {{http_status}}"), width=12),
            ),
        ),
    )
    seen = Variable("namespace", f"edge:response_total:rate1m{{{CLUSTER}}}", "dst_namespace")
    there = matching('dst_namespace="$namespace"')
    chosen = Variable("service", f"edge:response_total:rate1m{{{there}}}", "dst_service")
    return Board("service", "service", rows, (seen, chosen))


def _behind() -> str:
    return "{{dst_namespace}}/" + "".join(f"{{{{{owner}}}}}" for owner in recording.BEHIND)


def authority() -> Board:
    match = matching('direction="outbound"', 'authority="$authority"')
    rows = (
        golden("All callers", raw, match),
        golden("By caller", raw, match, OWNER, WHO),
        golden("By Service", raw, match, ("dst_namespace", "dst_service"), DST_WHO),
    )
    sent = matching('direction="outbound"')
    series = f"response_total{{{sent}}}"
    return Board("authority", "authority", rows, (Variable("authority", series, "authority"),))


def _policy_routes(protocol: str) -> tuple[Row, ...]:
    """Outbound routes of HTTPRoute and GRPCRoute, and of their backends."""
    family = f"outbound_{protocol}_route"
    match = matching('parent_namespace="$namespace"', 'parent_name="$parent"')
    route, backend = ("route_kind", "route_name"), ("route_name", "backend_namespace", "backend_name")
    called, served = "{{route_kind}}/{{route_name}}", "{{route_name}} {{backend_namespace}}/{{backend_name}}"
    status = f"{protocol}_status"
    ends = total(ROUTE(f"{family}_request_statuses_total", match), (*route, status))
    failed = total(ROUTE(f"{family}_request_statuses_total", f"{match}, {FAILED}"), (*route, "error"))
    slow = quantile(0.95, ROUTE, match, route, f"{family}_request_duration_seconds_bucket")
    retried = total(ROUTE(f"{family}_retry_requests_total", match), route)
    asked = total(BACKEND(f"{family}_backend_requests_total", match), backend)
    answered = total(BACKEND(f"{family}_backend_response_statuses_total", match), (*backend, status))
    waited = quantile(0.95, BACKEND, match, backend, f"{family}_backend_response_duration_seconds_bucket")
    word = protocol.upper() if protocol == "http" else "gRPC"
    return (
        Row(
            f"{word} routes",
            (
                lines("answers", "reqps", (ends, f"{called} {{{{{status}}}}}"), width=6),
                lines("failures of the proxy's own", "reqps", (failed, f"{called} {{{{error}}}}"), width=6),
                lines("latency, p95", "s", (slow, called), width=6),
                lines("retries", "reqps", (retried, called), width=6),
            ),
        ),
        Row(
            f"{word} backends",
            (
                lines("requests", "reqps", (asked, served)),
                lines("answers", "reqps", (answered, f"{served} {{{{{status}}}}}")),
                lines("latency, p95", "s", (waited, served)),
            ),
        ),
    )


def route() -> Board:
    match, by = matching('dst=~"$parent[.]$namespace[.].*"', 'direction="outbound"'), ("dst", "rt_route")
    legend = "{{dst}} {{rt_route}}"
    profiles = Row(
        "Routes of service profiles",
        (
            lines("success", "percentunit", (success(ROUTE, match, by, "route_response_total"), legend)),
            lines("tries", "reqps", (total(ROUTE("route_actual_response_total", match), by), legend)),
            lines("latency, p95", "ms", (quantile(0.95, ROUTE, match, by, "route_response_latency_ms_bucket"), legend)),
        ),
    )
    parent = matching('parent_namespace="$namespace"')
    seen = "route:outbound_http_route_request_statuses_total:rate1m"
    variables = (
        Variable("namespace", f"{seen}{{{CLUSTER}}}", "parent_namespace"),
        Variable("parent", f"{seen}{{{parent}}}", "parent_name"),
    )
    return Board("route", "route", (*_policy_routes("http"), *_policy_routes("grpc"), profiles), variables)


BOARDS: tuple[Board, ...] = (
    namespace(),
    *(workload(name, label) for name, label in KINDS.items()),
    pod(),
    service(),
    authority(),
    route(),
)
