"""Dashboards of what lies below: Kubernetes' containers (the kubelets' cAdvisor) and Prometheus itself.

In: panels of `parts`. Out: `BOARDS`. Never here: anything that a proxy or the control plane says.
"""

from tools.grafana.model import CLUSTER, Board, Row
from tools.grafana.parts import lines, matching, number, processes, raw, total

ITSELF = matching('job="prometheus"')
REAL = matching('container!=""', 'pod!=""')
PROXIES = matching('container="linkerd-proxy"')
PLACE, PLACED = ("namespace", "pod"), "{{namespace}}/{{pod}}"


def kubernetes() -> Board:
    says = (
        "Only where the kubelets' container metrics are scraped: --set scrapeDiscovery=kubernetes --set cadvisor=true."
    )
    net = matching('pod!=""')
    received, sent = (raw(f"container_network_{way}_bytes_total", net) for way in ("receive", "transmit"))
    capacity = f"sum(machine_cpu_cores{{{CLUSTER}}})"
    rows = (
        Row(
            "Cluster",
            (
                number("processors in use", "short", total(raw("container_cpu_usage_seconds_total", REAL)), 6, says),
                number("processors there", "short", capacity, 6, says),
                number("memory in use", "bytes", f"sum(container_memory_working_set_bytes{{{REAL}}})", 6, says),
                number("memory there", "bytes", f"sum(machine_memory_bytes{{{CLUSTER}}})", 6, says),
            ),
        ),
        Row(
            "Pods",
            (
                lines("processors", "short", (total(raw("container_cpu_usage_seconds_total", REAL), PLACE), PLACED)),
                lines("memory", "bytes", (total(f"container_memory_working_set_bytes{{{REAL}}}", PLACE), PLACED)),
                lines(
                    "network", "Bps", (total(received, PLACE), f"{PLACED} in"), (total(sent, PLACE), f"{PLACED} out")
                ),
            ),
        ),
        Row(
            "The mesh's share",
            (
                lines(
                    "processors of proxies",
                    "short",
                    (
                        total(
                            raw("container_cpu_usage_seconds_total", PROXIES),
                            ("namespace",),
                        ),
                        "{{namespace}}",
                    ),
                    width=12,
                ),
                lines(
                    "memory of proxies",
                    "bytes",
                    (
                        total(
                            f"container_memory_working_set_bytes{{{PROXIES}}}",
                            ("namespace",),
                        ),
                        "{{namespace}}",
                    ),
                    width=12,
                ),
            ),
        ),
    )
    return Board("kubernetes", "Kubernetes", rows)


def stats() -> Board:
    rows = (
        Row(
            "Targets",
            (
                lines(
                    "up",
                    "short",
                    (f"sum by (job) (up{{{CLUSTER}}})", "{{job}}"),
                    (f"count by (job) (up{{{CLUSTER}}} == 0)", "{{job}} down"),
                ),
                lines(
                    "samples of a scrape", "short", (f"sum by (job) (scrape_samples_scraped{{{CLUSTER}}})", "{{job}}")
                ),
                lines("longest scrape", "s", (f"max by (job) (scrape_duration_seconds{{{CLUSTER}}})", "{{job}}")),
            ),
        ),
        Row(
            "Samples",
            (
                lines("series in memory", "short", (total(f"prometheus_tsdb_head_series{{{ITSELF}}}"), "series")),
                lines(
                    "samples taken in",
                    "short",
                    (total(raw("prometheus_tsdb_head_samples_appended_total", ITSELF)), "samples/s"),
                ),
                lines("on disk", "bytes", (total(f"prometheus_tsdb_storage_blocks_bytes{{{ITSELF}}}"), "blocks")),
            ),
        ),
        Row(
            "Queries and rules",
            (
                lines(
                    "queries",
                    "s",
                    (
                        f'max by (slice, quantile) (prometheus_engine_query_duration_seconds{{{ITSELF}, quantile="0.99"}})',
                        "{{slice}} p99",
                    ),
                ),
                lines(
                    "groups of rules",
                    "s",
                    (
                        f"max by (rule_group) (prometheus_rule_group_last_duration_seconds{{{ITSELF}}})",
                        "{{rule_group}}",
                    ),
                ),
                lines(
                    "rules that failed",
                    "short",
                    (
                        total(raw("prometheus_rule_evaluation_failures_total", ITSELF), ("rule_group",)),
                        "{{rule_group}}",
                    ),
                ),
            ),
        ),
        processes("What it takes", ITSELF, "{{pod}}", ("pod",)),
    )
    return Board("prometheus-2-stats", "Prometheus", rows)


def benchmark() -> Board:
    taken = raw("prometheus_tsdb_head_samples_appended_total", ITSELF)
    rows = (
        Row(
            "Cost of a sample",
            (
                lines(
                    "memory of a series",
                    "bytes",
                    (
                        f"sum(process_resident_memory_bytes{{{ITSELF}}}) / sum(prometheus_tsdb_head_series{{{ITSELF}}})",
                        "bytes",
                    ),
                ),
                lines(
                    "processor time of a sample",
                    "s",
                    (f"sum({raw('process_cpu_seconds_total', ITSELF)}) / sum({taken})", "seconds"),
                ),
                lines(
                    "series that come and go",
                    "short",
                    (total(raw("prometheus_tsdb_head_series_created_total", ITSELF)), "made"),
                    (total(raw("prometheus_tsdb_head_series_removed_total", ITSELF)), "removed"),
                ),
            ),
        ),
        Row(
            "Disk",
            (
                lines(
                    "write-ahead log", "wps", (total(raw("prometheus_tsdb_wal_page_flushes_total", ITSELF)), "pages")
                ),
                lines(
                    "compactions",
                    "short",
                    (total(raw("prometheus_tsdb_compactions_total", ITSELF)), "done"),
                    (total(raw("prometheus_tsdb_compactions_failed_total", ITSELF)), "failed"),
                ),
                lines("blocks", "short", (total(f"prometheus_tsdb_blocks_loaded{{{ITSELF}}}"), "blocks")),
            ),
        ),
        Row(
            "Go",
            (
                lines(
                    "heap",
                    "bytes",
                    (total(f"go_memstats_heap_inuse_bytes{{{ITSELF}}}"), "in use"),
                    (total(f"go_memstats_heap_idle_bytes{{{ITSELF}}}"), "idle"),
                ),
                lines("goroutines", "short", (total(f"go_goroutines{{{ITSELF}}}"), "goroutines")),
                lines(
                    "HTTP requests",
                    "reqps",
                    (total(raw("prometheus_http_requests_total", ITSELF), ("handler", "code")), "{{handler}} {{code}}"),
                ),
            ),
        ),
    )
    return Board("prometheus-benchmark", "what Prometheus costs", rows)


BOARDS: tuple[Board, ...] = (kubernetes(), stats(), benchmark())
