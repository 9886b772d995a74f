"""The numbers of the service mirror, by Linkerd's names where it has them. In: what happened. Out: Prometheus families.

Never here: decisions. Label `target_cluster_name` has one value for each Link; `forget` removes it with the Link.
"""

from collections import Counter as Tally
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from isthmus import names
from isthmus.multicluster import gateway, plan

_LABEL = "target_cluster_name"
_BUCKETS = (*range(1, 6), *range(10, 60, 10), *range(100, 600, 100), 1000, 2000, 3000, 5000, 10_000, 30_000)


class Meters:
    """All families of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        one = (_LABEL,)
        self._enabled = Gauge("gateway_enabled", "1 when the Link names a gateway", one, registry=registry)
        self._alive = Gauge(
            "gateway_alive", "1 when a gateway address answers, 0 when all are dead", one, registry=registry
        )
        self._latency = Gauge("gateway_latency", "Milliseconds of the last probe", one, registry=registry)
        self._latencies = Histogram(
            "gateway_probe_latency_ms", "Milliseconds of answered probes", one, registry=registry, buckets=_BUCKETS
        )
        self._probes = Counter("gateway_probes", "Probes", labelnames=(_LABEL, "probe_successful"), registry=registry)
        self._repairs = Counter(
            "service_mirror_endpoint_repairs", "EndpointSlices written again", one, registry=registry
        )
        self._writes = Counter(
            "service_mirror_writes", "Writes", labelnames=(_LABEL, "kind", "verb"), registry=registry
        )
        self._mirrors = Gauge(
            "service_mirror_services", "Exports by outcome", labelnames=(_LABEL, "reason"), registry=registry
        )
        self._age = Gauge(
            "service_mirror_target_age_seconds", "Seconds since the target was last heard of", one, registry=registry
        )
        self._all = (self._enabled, self._alive, self._latency, self._latencies, self._repairs, self._age)
        self._labelled = (self._probes, self._writes, self._mirrors)

    def enabled(self, cluster: str, *, on: bool) -> None:
        self._enabled.labels(cluster).set(int(on))

    def alive(self, cluster: str, health: gateway.Health) -> None:
        """No series while unknown: a 0 would be a claim, and so would what was true of other addresses."""
        if health is gateway.Health.UNKNOWN:
            self._alive.remove_by_labels({_LABEL: cluster})
        else:
            self._alive.labels(cluster).set(int(health is gateway.Health.ALIVE))

    def probe(self, cluster: str, reply: gateway.Reply) -> None:
        good = reply.outcome is gateway.Outcome.SUCCESS
        self._probes.labels(cluster, str(good).lower()).inc()
        if good:
            self._latency.labels(cluster).set(reply.seconds * 1000)
            self._latencies.labels(cluster).observe(reply.seconds * 1000)

    def wrote(self, cluster: str, action: plan.Action) -> None:
        self._writes.labels(cluster, action.kind, action.verb).inc()
        if action.kind == "EndpointSlice" and action.verb == "update":
            self._repairs.labels(cluster).inc()

    def mirrors(self, cluster: str, conditions: Mapping[names.Key, plan.Condition]) -> None:
        self._mirrors.remove_by_labels({_LABEL: cluster})
        for reason, count in Tally(c.reason for c in conditions.values()).items():
            self._mirrors.labels(cluster, reason).set(count)

    def age(self, cluster: str, seconds: float) -> None:
        self._age.labels(cluster).set(seconds)

    def forget(self, cluster: str) -> None:
        """The Link is gone, and its series with it."""
        for family in (*self._all, *self._labelled):
            family.remove_by_labels({_LABEL: cluster})
