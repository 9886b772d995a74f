"""Figures to tables and pictures. In: samples. Out: text. Pure. Never here: a verdict that a figure does not give."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax import saxutils

from bench.ground import work

COLOURS = {"isthmus": "#2a7f62", "haproxy": "#8a8f98", "envoy": "#b5651d", "direct": "#c9ccd1"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: cost in the row's unit, things a second, latency in ms (0: not told)."""

    cost: float
    rate: float
    p50: float
    p99: float


Samples = Mapping[str, Sequence[Sample]]


def medians(samples: Samples) -> dict[str, Sample]:
    """One sample for each product."""
    fields = ("cost", "rate", "p50", "p99")
    return {
        product: Sample(*(statistics.median(getattr(one, name) for one in list(some)) for name in fields))
        for product, some in samples.items()
        if some
    }


def ratio(row: work.Row, found: Mapping[str, Sample]) -> float | None:
    """Our cost over the rival's that the goal speaks of."""
    ours, theirs = found.get("isthmus"), found.get(row.against)
    return ours.cost / theirs.cost if ours and theirs and theirs.cost else None


def line(row: work.Row, samples: Samples) -> str:
    """A row of the table."""
    found = medians(samples)
    cost = [f"{found[p].cost:.1f}" if p in found else "–" for p in ("isthmus", "haproxy", "envoy")]
    share = ratio(row, found)
    told = f"**{share:.2f}**" if share is not None else "–"
    goal = "–" if row.goal is None else f"≤ {row.goal}"
    rates = " / ".join(f"{found[p].rate:,.0f}" for p in work.PRODUCTS if p in found and found[p].rate)
    return f"| {row.title} | {row.unit} | {' | '.join(cost)} | {told} | {goal} | {rates or '–'} |"


def table(rows: Sequence[tuple[work.Row, Samples]]) -> str:
    """All of them."""
    head = "| load | unit | isthmus | HAProxy | Envoy | isthmus : HAProxy | goal | a second: isthmus / HAProxy / Envoy / direct |"
    return "\n".join([head, "|---" * 8 + "|", *(line(row, samples) for row, samples in rows)])


def added(samples: Samples) -> str:
    """What each product adds to the direct p50 and p99, and ours over Envoy's."""
    found = medians(samples)
    if not {"isthmus", "envoy", "direct"} <= found.keys():
        return "latency: needs isthmus, envoy and direct"
    base = found["direct"]
    told: list[str] = []
    for name in ("p50", "p99"):
        more = {p: getattr(found[p], name) - getattr(base, name) for p in found if p != "direct"}
        share = more["isthmus"] / more["envoy"] if more["envoy"] > 0 else float("nan")
        each = ", ".join(f"{p} {value:.2f}" for p, value in more.items())
        told.append(f"added {name} ms at 2000/s: {each}; isthmus : Envoy {share:.2f}")
    return "\n".join(told)


def chart(rows: Sequence[tuple[work.Row, Samples]]) -> str:
    """Bars of cost relative to HAProxy (1.0), as SVG."""
    height, width, left = 26, 900, 380
    bars: list[str] = []
    y = 30
    for row, samples in rows:
        found = medians(samples)
        base = found["haproxy"].cost if "haproxy" in found else 0.0
        bars.append(f'<text x="8" y="{y + 16}">{saxutils.escape(row.title)}</text>')
        for product in ("isthmus", "haproxy", "envoy"):
            if product in found and base:
                share = found[product].cost / base
                long = min(share, 5.0) / 5.0 * (width - left - 60)
                bars.append(f'<rect x="{left}" y="{y}" width="{long:.1f}" height="7" fill="{COLOURS[product]}"/>')
                bars.append(f'<text x="{left + long + 4:.1f}" y="{y + 7}" font-size="8">{product} {share:.2f}</text>')
            y += 8
        y += height - 16
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 10}" font-family="sans-serif" font-size="12">'
    title = '<text x="8" y="18" font-weight="bold">CPU of both proxies, HAProxy = 1 (less is better)</text>'
    return "\n".join([head, title, *bars, "</svg>"]) + "\n"
