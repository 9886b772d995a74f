"""Recording rules: series of all proxies summed once per evaluation, so that a table of 500 pods reads hundreds of series, not 100 000.

In: nothing. Out: groups of rules as documents. A name is `level:metric:operation`; the level says by what the sum is kept apart:

    pod       the workload's labels and the pod             edge     both workloads of an outbound call, and the Service it was for
    workload  namespace and owner (deployment, ...)         link     the target's cluster and Service, of all who call it
    route     workload, parent and route, or a profile's    backend  the same, and the backend
    server    workload, Server, route, authorization

`rate1m` is per second over the last minute, `sum` is a gauge's sum now. `cluster` is kept where one Prometheus scrapes several.
Bounds: a level has at most as many series as the labels it keeps have values; labels that clients choose (`authority`, addresses,
ports, `client_id`) are never kept. Never here: alerts (see `alerts.yml`), longer windows (`avg_over_time` of these series).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Doc = dict[str, Any]

OWNERS = ("deployment", "statefulset", "daemonset", "replicaset", "replicationcontroller", "k8s_job", "cronjob")
"""Labels of which a series has one, with its workload's name; a bare pod's has none."""
WORKLOAD = ("cluster", "namespace", *OWNERS)
POD = (*WORKLOAD, "pod")
TARGET = ("dst_target_cluster", "dst_target_service", "dst_target_service_namespace")
BEHIND = tuple(f"dst_{owner}" for owner in OWNERS if owner != "cronjob")
"""The workload behind an endpoint, which is known by its pod's own owner: of a CronJob that is the Job."""
EDGE = (*WORKLOAD, "dst_namespace", "dst_service", *BEHIND, *TARGET)
PARENT = tuple(f"parent_{part}" for part in ("group", "kind", "namespace", "name", "port", "section_name"))
ROUTE = (*WORKLOAD, *PARENT, *(f"route_{part}" for part in ("group", "kind", "namespace", "name")))
BACKEND = (*ROUTE, *(f"backend_{part}" for part in ("group", "kind", "namespace", "name", "port")))
PROFILE = (*WORKLOAD, "direction", "dst", "rt_route")
SERVED = (*WORKLOAD, "srv_group", "srv_kind", "srv_name", "srv_port")
BY_ROUTE = ("route_group", "route_kind", "route_name")
BY_AUTHZ = ("authz_group", "authz_kind", "authz_name")

OUTBOUND = '{direction="outbound"}'
INBOUND = '{direction="inbound"}'


@dataclass(frozen=True, slots=True)
class Rule:
    """One series per set of `by` and `more`; a gauge is summed, anything else is a rate over the minute."""

    level: str
    metric: str
    by: tuple[str, ...]
    more: tuple[str, ...] = ()
    match: str = ""
    gauge: bool = False

    def document(self) -> Doc:
        what = f"{self.metric}{self.match}" if self.gauge else f"rate({self.metric}{self.match}[1m])"
        operation = "sum" if self.gauge else "rate1m"
        kept = ", ".join((*self.by, *self.more))
        return {"record": f"{self.level}:{self.metric}:{operation}", "expr": f"sum by ({kept}) ({what})"}


GOLDEN: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("request_total", ("direction",), False),
    ("response_total", ("direction", "classification", "tls"), False),
    ("response_latency_ms_bucket", ("direction", "le"), False),
    ("tcp_open_connections", ("direction", "peer", "tls"), True),
    ("tcp_read_bytes_total", ("direction", "peer"), False),
    ("tcp_write_bytes_total", ("direction", "peer"), False),
)
"""Of each pod and each workload: family, labels kept, whether it is a gauge."""

EDGES = (
    Rule("edge", "response_total", EDGE, ("classification", "tls"), OUTBOUND),
    Rule("edge", "response_latency_ms_bucket", EDGE, ("le",), OUTBOUND),
    Rule("edge", "tcp_open_connections", EDGE, ("tls", "server_id", "no_tls_reason"), OUTBOUND, gauge=True),
    Rule("edge", "tcp_read_bytes_total", EDGE, ("tls",), '{direction="outbound", peer="dst"}'),
    Rule("edge", "tcp_write_bytes_total", EDGE, ("tls",), '{direction="outbound", peer="dst"}'),
)

PROFILES = (
    Rule("route", "route_response_total", PROFILE, ("classification",)),
    Rule("route", "route_actual_response_total", PROFILE, ("classification",)),
    Rule("route", "route_response_latency_ms_bucket", PROFILE, ("le",)),
)

SERVERS = (
    Rule("server", "response_total", SERVED, (*BY_ROUTE, *BY_AUTHZ, "classification", "tls"), INBOUND),
    Rule("server", "response_latency_ms_bucket", SERVED, (*BY_ROUTE, *BY_AUTHZ, "le"), INBOUND),
    Rule("server", "inbound_http_authz_allow_total", SERVED, (*BY_ROUTE, *BY_AUTHZ, "tls")),
    Rule("server", "inbound_http_authz_deny_total", SERVED, (*BY_ROUTE, "tls")),
    Rule("server", "inbound_tcp_authz_allow_total", SERVED, (*BY_AUTHZ, "tls")),
    Rule("server", "inbound_tcp_authz_deny_total", SERVED, ("tls",)),
)


def routes(protocol: str) -> tuple[Rule, ...]:
    """Of outbound routes: what came of requests, how long they took, what was tried again; and the same of each backend."""
    family, ends = f"outbound_{protocol}_route", (f"{protocol}_status", "error")
    return (
        Rule("route", f"{family}_request_statuses_total", ROUTE, ends),
        Rule("route", f"{family}_request_duration_seconds_bucket", ROUTE, ("le",)),
        Rule("route", f"{family}_retry_requests_total", ROUTE),
        Rule("backend", f"{family}_backend_requests_total", BACKEND),
        Rule("backend", f"{family}_backend_response_statuses_total", BACKEND, ends),
        Rule("backend", f"{family}_backend_response_duration_seconds_bucket", BACKEND, ("le",)),
    )


def golden() -> list[Doc]:
    """Pods from the proxies' series, workloads from the pods': the long sums are made once."""
    pods = [Rule("pod", metric, POD, more, gauge=gauge).document() for metric, more, gauge in GOLDEN]
    return pods + [_above("workload", rule, "sum without (pod)") for rule in pods]


def links() -> list[Doc]:
    """What goes to each target cluster, from the edges."""
    kept = ", ".join(("cluster", *TARGET))
    crossing = 'dst_target_cluster!=""'
    return [
        {
            "record": "link:response_total:rate1m",
            "expr": f"sum by ({kept}, classification) (edge:response_total:rate1m{{{crossing}}})",
        },
        {
            "record": "link:response_latency_ms_bucket:rate1m",
            "expr": f"sum by ({kept}, le) (edge:response_latency_ms_bucket:rate1m{{{crossing}}})",
        },
    ]


def _above(level: str, rule: Doc, how: str) -> Doc:
    _, _, rest = rule["record"].partition(":")
    return {"record": f"{level}:{rest}", "expr": f"{how} ({rule['record']})"}


def _documents(rules: Iterable[Rule]) -> list[Doc]:
    return [rule.document() for rule in rules]


def groups() -> list[Doc]:
    """All groups; rules of a group are evaluated in order, so that a level above reads the level below of the same moment."""
    made = {
        "golden": golden(),
        "edges": _documents(EDGES) + links(),
        "routes": _documents(rule for protocol in ("http", "grpc") for rule in routes(protocol)),
        "profiles": _documents(PROFILES),
        "servers": _documents(SERVERS),
    }
    return [{"name": f"isthmus-{name}", "rules": rules} for name, rules in made.items()]
