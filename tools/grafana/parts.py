"""Panels that several dashboards share: golden metrics of anything, connections, the state of our processes.

In: where the numbers come from (`recorded` by rules, or `raw`), a selector, by what to keep apart. Out: panels.
Never here: whole dashboards (see `boards`).
"""

from collections.abc import Callable, Sequence

from isthmus.install.prometheus import recording
from tools.grafana.model import CLUSTER, Panel, Query, Row

Source = Callable[[str, str], str]
"""(family, selector) -> per second."""

OWNER = ("namespace", *recording.OWNERS)
WHO = "{{namespace}}/" + "".join(f"{{{{{owner}}}}}" for owner in recording.OWNERS)
"""A workload's name: of its owner labels one is there."""
DST_WHO = "{{dst_namespace}}/{{dst_service}}"
QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
OUR_JOBS = 'job=~"linkerd-controller|linkerd-multicluster-controller"'


def recorded(level: str) -> Source:
    """From the series of a level of recording rules."""
    return lambda family, match: f"{level}:{family}:rate1m{{{match}}}"


def raw(family: str, match: str) -> str:
    """From the proxies' own series, where no rule keeps what is asked for."""
    return f"rate({family}{{{match}}}[$__rate_interval])"


def matching(*parts: str) -> str:
    """A selector, the cluster's first."""
    return ", ".join((CLUSTER, *filter(None, parts)))


def total(inner: str, by: Sequence[str] = ()) -> str:
    return f"sum by ({', '.join(by)}) ({inner})" if by else f"sum({inner})"


def success(source: Source, match: str, by: Sequence[str] = (), family: str = "response_total") -> str:
    """The share that succeeded; 0 where all failed, nothing where there was nothing."""
    whole = total(source(family, match), by)
    good = total(source(family, f'{match}, classification="success"'), by)
    return f"({good} or {whole} * 0) / {whole}"


def quantile(
    share: float, source: Source, match: str, by: Sequence[str] = (), family: str = "response_latency_ms_bucket"
) -> str:
    return f"histogram_quantile({share}, {total(source(family, match), (*by, 'le'))})"


def golden(title: str, source: Source, match: str, by: Sequence[str] = (), legend: str = "") -> Row:
    """Success, rate and latency; kept apart, the 95th percentile alone."""
    if by:
        latency = (Query(quantile(0.95, source, match, by), legend),)
    else:
        latency = tuple(Query(quantile(share, source, match), word) for word, share in QUANTILES)
    return Row(
        title,
        (
            Panel("success", "percentunit", (Query(success(source, match, by), legend or "success"),)),
            Panel("requests", "reqps", (Query(total(source("response_total", match), by), legend or "requests"),)),
            Panel("latency, p95" if by else "latency", "ms", latency),
        ),
    )


def tcp(title: str, level: str, match: str) -> Row:
    """Connections open and bytes, both directions."""
    by, legend = ("direction", "peer"), "{{direction}} {{peer}}"
    source = recorded(level)
    return Row(
        title,
        (
            Panel("connections", "short", (Query(total(f"{level}:tcp_open_connections:sum{{{match}}}", by), legend),)),
            Panel("read", "Bps", (Query(total(source("tcp_read_bytes_total", match), by), legend),)),
            Panel("written", "Bps", (Query(total(source("tcp_write_bytes_total", match), by), legend),)),
        ),
    )


def processes(title: str, match: str, legend: str, by: Sequence[str] = ("namespace", "pod", "component")) -> Row:
    """What processes take."""
    cpu = total(raw("process_cpu_seconds_total", match), by)
    return Row(
        title,
        (
            Panel("processors", "short", (Query(cpu, legend),)),
            Panel("memory", "bytes", (Query(total(f"process_resident_memory_bytes{{{match}}}", by), legend),)),
            Panel("file descriptors", "short", (Query(total(f"process_open_fds{{{match}}}", by), legend),)),
        ),
    )


def firing(names: str = "Isthmus.*") -> Panel:
    """Alerts of ours that fire now."""
    expr = f'ALERTS{{{CLUSTER}, alertname=~"{names}", alertstate="firing"}}'
    return Panel("alerts that fire", "short", (Query(expr),), kind="table", width=24)


def number(title: str, unit: str, expr: str, width: int = 4, says: str = "") -> Panel:
    """One number, large."""
    return Panel(title, unit, (Query(expr),), kind="stat", width=width, says=says)


def lines(title: str, unit: str, *queries: tuple[str, str], width: int = 8, says: str = "") -> Panel:
    """(expression, legend), over time."""
    return Panel(title, unit, tuple(Query(expr, legend) for expr, legend in queries), width=width, says=says)
