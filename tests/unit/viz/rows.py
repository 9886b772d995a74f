"""Samples in short words."""

from isthmus.viz.ask import samples


def row(value, **labels) -> samples.Row:
    return samples.Row({k: str(v) for k, v in labels.items()}, float(value))


def line(points, **labels) -> samples.Line:
    return samples.Line({k: str(v) for k, v in labels.items()}, tuple(points))


def buckets(counts: dict, **labels) -> list[samples.Row]:
    """A histogram: upper bound -> what is below it; +Inf as the last."""
    return [row(value, le=str(bound), **labels) for bound, value in counts.items()]
