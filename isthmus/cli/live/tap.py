"""`isthmus tap` and `isthmus trace`: live requests, one by one. In: flags. Out: lines, rows, JSON, waterfalls on stdout; notices on stderr.

Never here: `top` (see `top`), how things look (see `lines`, `waterfall`, `jsonpath`).
"""

import asyncio
import contextlib
import dataclasses
import json
import math
import shutil
import sys
import urllib.parse
from contextlib import aclosing
from typing import Any

import click

from isthmus.cli import output
from isthmus.cli.live import jsonpath, lines, tapping, waterfall
from isthmus.errors import BadValue, IsthmusError
from isthmus.tap.tell import events, join

FORMS = ("lines", "wide", "json", "table")
_METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "HEAD", "TRACE")
_PATH = "jsonpath="
PATIENCE = 8.0
"""Seconds in which trace looks for a request that can be told apart, once it has one that cannot."""
Shape = str | jsonpath.Template
"""How events are told: one of the words, or a template."""


class Form(click.Choice[str]):
    """One of some words, or `jsonpath=` with kubectl's JSONPath, which is read at once."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(self.choices)}|{_PATH}EXPR]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, jsonpath.Template):
            return value
        if value == _PATH[:-1]:
            raise BadValue("-o", value, jsonpath.EXAMPLE, why="an expression is wanted")
        if isinstance(value, str) and value.startswith(_PATH):
            return jsonpath.read(value.removeprefix(_PATH))
        return super().convert(value, param, ctx)


@click.command()
@click.argument("resource", default="")
@tapping.flags
@click.option("-o", "--output", "form", type=Form(FORMS), default="lines", show_default=True)
@click.option("--join", "joined", is_flag=True, help="Each request once, with all proxies it passes, across clusters.")
@click.option("--headers", is_flag=True, help="Headers too, with -o json or jsonpath; credentials are never shown.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many events (with --join: requests).")
def tap(*, wanted: tapping.Wanted, resource: str, form: Shape, joined: bool, headers: bool, count: int | None) -> int:
    """Live requests of a resource, or of a whole namespace: `isthmus tap deploy/web -n shop`.

    `-o jsonpath=EXPR` is kubectl's, over what -o json prints; events in which it finds nothing are passed over.

    \b
      isthmus tap deploy/web -n shop -o jsonpath='{.requestInitEvent.method} {.requestInitEvent.path}'
    """
    wanted = dataclasses.replace(wanted, words=resource, headers=headers)
    work = _joined(wanted, form, count) if joined else _told(wanted, form, count)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work)
    return 0


async def _told(wanted: tapping.Wanted, form: Shape, count: int | None) -> None:
    rows, shown = lines.Rows(), 0
    async with aclosing(tapping.told(wanted)) as stream:
        async for event, many in stream:
            text = _text(event, form, rows, many=many, first=shown == 0)
            if event.kind == events.NOTICE:
                output.say(lines.line(event, cluster=many))
            elif text:
                shown += 1
                _print(text)
            if count is not None and shown >= count:
                return


def _text(event: events.Event, form: Shape, rows: lines.Rows, *, many: bool, first: bool) -> str:
    if isinstance(form, jsonpath.Template):
        return form.text(lines.document(event)) or ""
    if form == "json":
        return json.dumps(lines.document(event), separators=(",", ":"), ensure_ascii=False)
    if form != "table":
        return lines.line(event, wide=form == "wide", cluster=many)
    found = rows.take(event)
    if found is None:
        return ""
    row, header = [*([event.cluster] if many else []), *found], [*(["CLUSTER"] if many else []), *lines.HEADER]
    return (lines.columns(header) + "\n" if first else "") + lines.columns(row)


async def _joined(wanted: tapping.Wanted, form: Shape, count: int | None) -> None:
    shown = 0
    async with aclosing(tapping.joined(wanted)) as stream:
        async for one in stream:
            if isinstance(one, events.Event):
                output.say(lines.line(one, cluster=True))
                continue
            if text := _journey(one, form):
                shown += 1
                _print(text)
            if count is not None and shown >= count:
                return


def _journey(journey: join.Journey, form: Shape) -> str:
    if isinstance(form, jsonpath.Template):
        return form.text(join.document(journey)) or ""
    if form == "json":
        return json.dumps(join.document(journey), separators=(",", ":"))
    width = shutil.get_terminal_size((120, 24)).columns
    return "\n".join([*waterfall.draw(journey, width=width, colour=output.coloured(sys.stdout)), ""])


def _print(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


@click.command()
@click.argument("request", nargs=-1, required=True)
@tapping.flags
@click.option("--from", "source", default="", metavar="RESOURCE", help="Who sends it: deploy/client. Default: anybody.")
@click.option("-o", "--output", "form", type=Form(("waterfall", "json")), default="waterfall", show_default=True)
@click.option("--timeout", "seconds", default=60.0, show_default=True, help="How long to wait for it, in seconds.")
def trace(*, wanted: tapping.Wanted, request: tuple[str, ...], source: str, form: Shape, seconds: float) -> int:
    """One request through all its proxies, across clusters, with the time spent in each.

    REQUEST is the id it will carry (`x-request-id`, or the trace's id in `traceparent`), or a method and a URL or path: the next
    that fits is caught. Of many that fit, the next that can be told apart from the others in all its proxies.

    \b
      isthmus trace GET http://backend-svc:8888/ --context east,west -n shop
      isthmus trace 4bf92f3577b34da6a3ce929d0e0e4736 --context east,west -n shop
    """
    sought = read(request)
    wanted = dataclasses.replace(
        wanted,
        words=source,
        method=sought.method or wanted.method,
        authority=sought.authority or wanted.authority,
        path=sought.path or wanted.path,
    )
    output.say(f"waiting for {sought.mark or ' '.join(request)} ...")
    with contextlib.suppress(KeyboardInterrupt):
        found = asyncio.run(_caught(wanted, sought, seconds))
        _print(_journey(found, form))
        return 0
    return 130


@dataclasses.dataclass(frozen=True, slots=True)
class Sought:
    """A request that is waited for: by its mark, or by what it asks."""

    mark: str = ""
    method: str = ""
    authority: str = ""
    path: str = ""

    def fits(self, journey: join.Journey) -> bool:
        """Whether it is this one."""
        marks = {mark.partition("=")[2] for mark in journey.hops[0].marks}
        return not self.mark or self.mark in marks

    def satisfied(self, journey: join.Journey) -> bool:
        """Whether another would show no more: it is the one, or was followed to its end."""
        return bool(self.mark) or (journey.how in (join.SURE, join.LIKELY) and journey.hops[-1].role == "server")


def read(words: tuple[str, ...]) -> Sought:
    """What REQUEST says.

    Raises:
        BadValue: it is neither an id nor a method with a URL.
    """
    said = " ".join(words)
    if len(words) == 2 and words[0].upper() in _METHODS:
        where = urllib.parse.urlsplit(
            words[1] if "://" in words[1] else f"//{words[1]}" if words[1][0] != "/" else words[1]
        )
        return Sought(method=words[0].upper(), authority=where.netloc, path=where.path)
    if len(words) != 1 or not said:
        raise BadValue("REQUEST", said, "GET http://web/api, or an id that x-request-id carries")
    if said[0] == "/" or "://" in said:
        where = urllib.parse.urlsplit(said)
        return Sought(authority=where.netloc, path=where.path)
    parts = said.split("-")
    return Sought(mark=parts[1] if len(parts) == 4 and len(parts[0]) == 2 and len(parts[1]) == 32 else said)


async def _caught(wanted: tapping.Wanted, sought: Sought, seconds: float) -> join.Journey:
    """The request; where none of many can be followed to its end within PATIENCE, the one that was followed furthest."""
    best: join.Journey | None = None
    try:
        async with asyncio.timeout(seconds) as limit, aclosing(tapping.joined(wanted)) as stream:
            async for one in stream:
                if isinstance(one, events.Event):
                    output.say(lines.line(one, cluster=True))
                    continue
                if not sought.fits(one):
                    continue
                if sought.satisfied(one):
                    return one
                if best is None:
                    limit.reschedule(min(limit.when() or math.inf, asyncio.get_running_loop().time() + PATIENCE))
                best = max(best or one, one, key=lambda journey: len(journey.hops))
    except TimeoutError:
        pass
    if best is not None:
        return best
    raise IsthmusError(
        f"no such request within {seconds:g} s",
        hint="is it sent while this waits, from a meshed pod of the namespace (-n), in a cluster that is asked (--context)?",
    )
