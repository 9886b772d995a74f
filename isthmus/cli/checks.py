"""`isthmus check` and `isthmus viz check`. In: a Scope, flags. Out: a list of √, ‼ and × with hints; exit code 1 when something fails.

Never here: what is checked (see `isthmus.check.table`).
"""

import asyncio
import datetime as dt
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

from isthmus import units
from isthmus.check import facts, finding, table
from isthmus.cli import output
from isthmus.cli import scope as scopes
from isthmus.kube import access
from isthmus.kube import client as kube

DOC = "docs/checks.md"
AGAIN = 1.0
"""Seconds between two looks while --wait lasts."""


def _flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """The flags of every word that checks."""
    command = click.option(
        "-o",
        "--output",
        "form",
        type=click.Choice(["table", "short", "json"]),
        default="table",
        show_default=True,
        help="short: only what is not well.",
    )(command)
    return click.option(
        "--wait",
        default="10s",
        show_default=True,
        metavar="TIME",
        help="How long something may take to become well; 0 looks once.",
    )(command)


@click.command()
@click.option("--pre", is_flag=True, help="Before an installation: could it be made?")
@click.option("--proxy", is_flag=True, help="Look at every meshed pod too.")
@_flags
@scopes.flags
def check(*, pre: bool, proxy: bool, wait: str, form: str, scope: scopes.Scope) -> int:
    """Is the mesh well? What to do where it is not. Exits with 1 when a check fails, with 0 for warnings."""
    return _run(scope, table.chosen(pre=pre, proxy=proxy), wait, form, pre=pre, proxy=proxy)


@click.command("check")
@_flags
@scopes.flags
def of_viz(*, wait: str, form: str, scope: scopes.Scope) -> int:
    """Is the viz extension well? What to do where it is not. Exits with 1 when a check fails, with 0 for warnings."""
    return _run(scope, table.of_viz(), wait, form, pre=False, proxy=False)


def _run(scope: scopes.Scope, checks: Sequence[finding.Check], wait: str, form: str, *, pre: bool, proxy: bool) -> int:
    seconds = units.duration(wait, key="--wait", example='"30s"')
    where = access.load(scope.context, scope.kubeconfig)
    results = asyncio.run(_look(where, scope, checks, pre=pre, proxy=proxy, seconds=seconds))
    click.echo(_json(results) if form == "json" else _text(results, short=form == "short"))
    return 1 if failed(results) else 0


def failed(results: Sequence[finding.Result]) -> bool:
    """Whether something does not work."""
    return any(r.finding.verdict == "fail" for r in results)


async def _look(
    where: access.Access,
    scope: scopes.Scope,
    checks: Sequence[finding.Check],
    *,
    pre: bool,
    proxy: bool,
    seconds: float,
) -> list[finding.Result]:
    """Look until all is well or time is up; the last look counts."""
    end = time.monotonic() + seconds
    with output.Progress() as progress:
        async with kube.Client(where, timeout=5.0) as client:
            while True:
                seen = await facts.gather(
                    client,
                    scope.control_ns,
                    now=dt.datetime.now(dt.UTC),
                    pre=pre,
                    proxy=proxy,
                    kubeconfig=scope.kubeconfig,
                )
                results = table.judge(checks, seen)
                if not failed(results) or time.monotonic() + AGAIN > end:
                    return results
                first = next(r for r in results if r.finding.verdict == "fail")
                progress.now(f"waiting: {first.check.says}? {'; '.join(first.finding.lines[:1])}")
                await asyncio.sleep(AGAIN)


def _text(results: Sequence[finding.Result], *, short: bool) -> str:
    """The results by category, each failure with its lines and its hint."""
    lines: list[str] = []
    category = ""
    for result in results:
        if short and result.finding.verdict == "ok":
            continue
        if result.check.category != category:
            category = result.check.category
            lines += ["", category, "-" * len(category)]
        lines += _one(result)
    fails = sum(1 for r in results if r.finding.verdict == "fail")
    warns = sum(1 for r in results if r.finding.verdict == "warn")
    verdict = "fail" if fails else "warn" if warns else "ok"
    summary = (
        f"{len(results)} checks: {fails} failed, {warns} warned"
        if fails or warns
        else f"{len(results)} checks, all well"
    )
    return "\n".join([*lines, "", f"{output.mark(verdict)} {summary}"]).lstrip("\n")


def _one(result: finding.Result) -> list[str]:
    head = f"{output.mark(result.finding.verdict)} {result.check.says}"
    if result.finding.verdict == "ok":
        return [head]
    return [
        head,
        *(f"    {line}" for line in result.finding.lines),
        f"    hint: {result.check.hint}",
        f"    see {DOC}#{result.check.id}",
    ]


def _json(results: Sequence[finding.Result]) -> str:
    """The shape Linkerd's `check -o json` has: success, categories with checks."""
    names = list(dict.fromkeys(r.check.category for r in results))
    words = {"ok": "success", "warn": "warning", "fail": "error"}
    categories = [
        {
            "categoryName": name,
            "checks": [
                {
                    "id": r.check.id,
                    "description": r.check.says,
                    "result": words[r.finding.verdict],
                    **(
                        {"error": "\n".join(r.finding.lines), "hint": f"{r.check.hint} ({DOC}#{r.check.id})"}
                        if r.finding.lines
                        else {}
                    ),
                }
                for r in results
                if r.check.category == name
            ],
        }
        for name in names
    ]
    return json.dumps({"success": not failed(results), "categories": categories}, indent=2)
