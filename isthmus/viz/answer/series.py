"""Golden metrics over time. In: a subject, lines of rates and of quantiles. Out: a series for each resource. Pure.

Latencies cost Prometheus most, so they are asked for only where at most LATENCIES resources are meant. Limit: SERIES resources, the
busiest at the end of the range first. Never here: asking.
"""

from collections.abc import Mapping, Sequence

from isthmus import names
from isthmus.rpc import insight_pb2 as insight
from isthmus.viz.answer import golden, resolve, stat
from isthmus.viz.ask import query, samples
from isthmus.viz.cluster import world

LATENCIES = 40
SERIES = 2_000
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def questions(subject: resolve.Subject, known: world.World, source: query.Source) -> stat.Plan:
    """What to ask for each moment, by a word of ours. Raises Refused as `stat.plan`."""
    asked = stat.plan(subject, stat.Ends(), known, source, tcp=False)
    made = {"responses": asked.queries["responses"]}
    if len(resolve.keys(subject, known)) <= LATENCIES:
        inner = asked.queries["buckets"]
        made |= {word: f"histogram_quantile({share}, {inner})" for word, share in QUANTILES.items()}
    return stat.Plan(made, asked.handle)


def series(
    subject: resolve.Subject, asked: stat.Plan, lines: Mapping[str, Sequence[samples.Line]]
) -> list[insight.OneSeries]:
    """The series, by name."""
    rates: dict[names.Key, dict[float, golden.Golden]] = {}
    for line in lines["responses"]:
        row = samples.Row(line.labels, 0.0)
        key = asked.handle.key(row)
        if key is None:
            continue
        for at, value in line.points:
            one = rates.setdefault(key, {}).setdefault(at, golden.Golden())
            if golden.well(row):
                one.success += value
            else:
                one.failure += value
    took: dict[tuple[names.Key, float], dict[str, float]] = {}
    for word in QUANTILES:
        for line in lines.get(word, ()):
            key = asked.handle.key(samples.Row(line.labels, 0.0))
            if key is not None:
                for at, value in line.points:
                    took.setdefault((key, at), {})[word] = value
    made = [_one(subject, key, points, took) for key, points in sorted(rates.items(), key=lambda pair: str(pair[0]))]
    return sorted(made, key=lambda one: -one.points[-1].golden.rps)[:SERIES]


def _one(
    subject: resolve.Subject,
    key: names.Key,
    points: Mapping[float, golden.Golden],
    took: Mapping[tuple[names.Key, float], Mapping[str, float]],
) -> insight.OneSeries:
    return insight.OneSeries(
        subject=insight.Subject(namespace=key.namespace, kind=subject.kind.word, name=key.name),
        points=[
            insight.Point(at=at, golden=insight.Golden(rps=one.rps, success=one.share, **took.get((key, at), {})))
            for at, one in sorted(points.items())
        ],
    )
