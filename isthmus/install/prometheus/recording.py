"""Recording rules: series of all proxies summed once per evaluation, so that a table of 500 pods reads hundreds of series, not 100 000.

In: nothing. Out: groups of rules as documents. A name is `level:metric:operation`; the level says by what the sum is kept apart:

    pod       the workload's labels and the pod             edge     both workloads of an outbound call, and the Service it was for
    workload  namespace and owner (deployment, ...)         link     the target's cluster and Service, of all who call it
    route     workload, parent and route, or a profile's    backend  the same, and the backend
    server    workload, Server, route, authorization

`rate1m` is per second over the last minute, `sum` is a gauge's sum now. `cluster` is kept where one Prometheus scrapes several.
Buckets are nine tenths of a mesh's series, so they are summed once in SLOW scrapes, and each bucket for what needs it alone: inbound ones
by pod, workload and server, outbound ones by edge.
Bounds: a level has at most as many series as the labels it keeps have values; labels that clients choose (`authority`, addresses,
ports, `client_id`) are never kept. Never here: alerts (see `alerts.yml`), longer windows (`avg_over_time` of these series).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from isthmus import units

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

SLOW = 3
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
    ("tcp_open_connections", ("direction", "peer", "tls"), True),
    ("tcp_read_bytes_total", ("direction", "peer"), False),
    ("tcp_write_bytes_total", ("direction", "peer"), False),
)
"""Of each pod and each workload: family, labels kept, whether it is a gauge."""

EDGES = (
    Rule("edge", "response_total", EDGE, ("classification", "tls"), OUTBOUND),
    Rule("edge", "tcp_open_connections", EDGE, ("tls", "server_id", "no_tls_reason"), OUTBOUND, gauge=True),
    Rule("edge", "tcp_read_bytes_total", EDGE, ("tls",), '{direction="outbound", peer="dst"}'),
    Rule("edge", "tcp_write_bytes_total", EDGE, ("tls",), '{direction="outbound", peer="dst"}'),
)

POD_LATENCY = Rule("pod", "response_latency_ms_bucket", POD, ("direction", "le"), INBOUND)
LATENCY = (
    Rule("server", "response_latency_ms_bucket", SERVED, (*BY_ROUTE, *BY_AUTHZ, "le"), INBOUND),
    Rule("edge", "response_latency_ms_bucket", EDGE, ("le",), OUTBOUND),
)

PROFILES = (
    Rule("route", "route_response_total", PROFILE, ("classification",)),
    Rule("route", "route_actual_response_total", PROFILE, ("classification",)),
)
PROFILE_LATENCY = (Rule("route", "route_response_latency_ms_bucket", PROFILE, ("le",)),)

SERVERS = (
    Rule("server", "response_total", SERVED, (*BY_ROUTE, *BY_AUTHZ, "classification", "tls"), INBOUND),
    Rule("server", "inbound_http_authz_allow_total", SERVED, (*BY_ROUTE, *BY_AUTHZ, "tls")),
    Rule("server", "inbound_http_authz_deny_total", SERVED, (*BY_ROUTE, "tls")),
    Rule("server", "inbound_tcp_authz_allow_total", SERVED, (*BY_AUTHZ, "tls")),
    Rule("server", "inbound_tcp_authz_deny_total", SERVED, ("tls",)),
)


def routes(protocol: str) -> tuple[Rule, ...]:
    """Of outbound routes: what came of requests, what was tried again; and of each backend."""
    family, ends = f"outbound_{protocol}_route", (f"{protocol}_status", "error")
    return (
        Rule("route", f"{family}_request_statuses_total", ROUTE, ends),
        Rule("route", f"{family}_retry_requests_total", ROUTE),
        Rule("backend", f"{family}_backend_requests_total", BACKEND),
        Rule("backend", f"{family}_backend_response_statuses_total", BACKEND, ends),
    )


def route_latency(protocol: str) -> tuple[Rule, ...]:
    """How long requests took, by route and by backend."""
    family = f"outbound_{protocol}_route"
    return (
        Rule("route", f"{family}_request_duration_seconds_bucket", ROUTE, ("le",)),
        Rule("backend", f"{family}_backend_response_duration_seconds_bucket", BACKEND, ("le",)),
    )


def golden() -> list[Doc]:
    """Pods from the proxies' series, workloads from the pods': the long sums are made once."""
    pods = [Rule("pod", metric, POD, more, gauge=gauge).document() for metric, more, gauge in GOLDEN]
    return pods + [_workload(rule) for rule in pods]


def latency() -> list[Doc]:
    """Buckets: of pods and, from those, of workloads; of servers; of edges and, from those, of links."""
    pods = POD_LATENCY.document()
    return [pods, _workload(pods), *_documents(LATENCY), link("response_latency_ms_bucket", "le")]


def link(family: str, more: str) -> Doc:
    """What goes to each target cluster, from the edges."""
    kept = ", ".join(("cluster", *TARGET, more))
    edges = f'edge:{family}:rate1m{{dst_target_cluster!=""}}'
    return {"record": f"link:{family}:rate1m", "expr": f"sum by ({kept}) ({edges})"}


def _workload(pods: Doc) -> Doc:
    """The pods' rule, one level up."""
    _, _, rest = pods["record"].partition(":")
    return {"record": f"workload:{rest}", "expr": f"sum without (pod) ({pods['record']})"}


def _documents(rules: Iterable[Rule]) -> list[Doc]:
    return [rule.document() for rule in rules]


def groups(scrape: float) -> list[Doc]:
    """All groups, for a Prometheus that scrapes each `scrape` seconds.

    Rules of a group are evaluated in order, so that a level above reads the level below of the same moment.
    """
    protocols = ("http", "grpc")
    made = {
        "golden": golden(),
        "edges": [*_documents(EDGES), link("response_total", "classification")],
        "routes": _documents(rule for protocol in protocols for rule in routes(protocol)),
        "profiles": _documents(PROFILES),
        "servers": _documents(SERVERS),
    }
    slow = {
        "latency": latency(),
        "route-latency": _documents(rule for protocol in protocols for rule in route_latency(protocol)),
        "profile-latency": _documents(PROFILE_LATENCY),
    }
    return [
        *({"name": f"isthmus-{name}", "rules": rules} for name, rules in made.items()),
        *(
            {"name": f"isthmus-{name}", "interval": units.print_duration(SLOW * scrape), "rules": rules}
            for name, rules in slow.items()
        ),
    ]
