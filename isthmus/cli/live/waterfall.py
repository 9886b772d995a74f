"""A journey drawn: a bar for each proxy's time, and where the rest went. In: a `Journey`. Out: lines. Pure.

Never here: joining (see `isthmus.tap.tell.join`). Limit: bars are as wide as the terminal leaves room, LEAST columns at least.
"""

from collections.abc import Sequence

import click

from isthmus.cli.live import lines
from isthmus.tap.tell import join

LEAST, MOST = 20, 80
HOW = {
    join.SURE: "joined by {mark}",
    join.LIKELY: "joined by what was asked and answered, and by time: it carries no mark (x-request-id, traceparent)",
    join.ALONE: "seen by one proxy only",
    join.OPEN: "{rivals} requests fit the next hop: send one with a header, `x-request-id: the-one`, and say `isthmus trace the-one`",
}


def draw(journey: join.Journey, *, width: int = 100, colour: bool = False) -> list[str]:
    """The head, a line for each hop, the time between, how it was joined."""
    first = journey.hops[0]
    whole = max((hop.offset + (hop.ended or 0.0) for hop in journey.hops), default=0.0) or 1e-9
    cells = [_cells(hop) for hop in journey.hops]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    room = min(MOST, max(LEAST, width - sum(widths) - 3 * len(widths) - 10))
    out = [click.style(title(first), bold=True) if colour else title(first)]
    for hop, row in zip(journey.hops, cells, strict=True):
        text = "   ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True))
        drawn = bar(hop.offset, hop.ended or 0.0, whole, room)
        out.append(f"  {text}   {_coloured(drawn, hop, colour=colour)} {lines.millis(hop.ended or 0.0)}")
    return [*out, "", *_where(journey), "  " + HOW[journey.how].format(mark=journey.mark, rivals=journey.rivals)]


def title(first: join.Hop) -> str:
    """`GET http://web:80/x 200`."""
    head = first.head
    status = lines.code(first.grpc) if first.grpc is not None else str(first.status or "no answer")
    return f"{head.method} {head.scheme or 'http'}://{head.authority}{head.path} {status}"


def bar(offset: float, length: float, whole: float, room: int) -> str:
    """Where a hop stands in the whole, at least one column long."""
    begin = min(room - 1, round(offset / whole * room))
    end = min(room, max(begin + 1, round((offset + length) / whole * room)))
    return "·" * begin + "█" * (end - begin) + "·" * (room - end)


def who(identity: str) -> str:
    """The account in an identity: `client.shop`."""
    return identity.partition(".serviceaccount.")[0] or "?"


def _cells(hop: join.Hop) -> list[str]:
    return [hop.head.cluster, hop.role, hop.head.proxy or hop.head.source.address, str(hop.status or "-")]


def _coloured(text: str, hop: join.Hop, *, colour: bool) -> str:
    return click.style(text, fg="green" if hop.ok else "red") if colour else text


def _where(journey: join.Journey) -> Sequence[str]:
    """The time until the answer began, hop by hop."""
    out: list[str] = []
    for one, two, seconds in zip(journey.hops, journey.hops[1:], journey.between, strict=False):
        over = "over the link, " if one.head.cluster != two.head.cluster else ""
        peers = f"{who(one.head.identity)} > {who(two.head.identity)}"
        out.append(f"  {lines.millis(seconds):>8}  {over}{one.role} to {two.role} and back; {peers}")
    last = journey.hops[-1]
    what = "in the application" if last.role == "server" else f"beyond the {last.role}'s proxy"
    return [*out, f"  {lines.millis(journey.inside):>8}  {what}, until its answer began"]
