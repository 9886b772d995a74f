"""`isthmus profile`: a ServiceProfile to start from. In: a Service; an OpenAPI or proto file, or live requests. Out: YAML on stdout.

Never here: how files are read (see `openapi`), what of requests becomes a route (see `seen`), changes of a cluster.
Limits: a tap lasts LONGEST seconds at most and ends at so many routes.
"""

import asyncio
import contextlib
import pathlib
import sys
from contextlib import aclosing
from typing import Any

import click

from isthmus import names, units
from isthmus.cli import output
from isthmus.cli import scope as scopes
from isthmus.cli.live import lines, openapi, tapping
from isthmus.cli.see import seen
from isthmus.destination import profiles
from isthmus.errors import BadValue, IsthmusError
from isthmus.install import manifest
from isthmus.tap.tell import events

LONGEST = 600.0

TEMPLATE: list[dict[str, Any]] = [
    {
        "name": "GET /books/{id}",
        "condition": {"method": "GET", "pathRegex": "/books/[^/]*"},
        "responseClasses": [{"condition": {"status": {"min": 500, "max": 599}}, "isFailure": True}],
        "isRetryable": True,
        "timeout": "300ms",
    }
]
BUDGET = {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"}


@click.command()
@click.argument("service")
@click.option("--template", is_flag=True, help="An example that has every field.")
@click.option("--open-api", metavar="FILE", help="A route for each path and method of an OpenAPI document; - is stdin.")
@click.option("--proto", metavar="FILE", help="A route for each rpc of a proto file; - is stdin.")
@click.option(
    "--tap", metavar="RESOURCE", help="A route for each method and path that comes in there now: deploy/books."
)
@click.option("--tap-duration", "lasts", default="5s", show_default=True, metavar="TIME", help="How long --tap looks.")
@click.option(
    "--tap-route-limit",
    "limit",
    type=click.IntRange(1, profiles.ROUTES),
    default=20,
    show_default=True,
    help="How many routes --tap ends at.",
)
@click.option("--tap-keep-ids", "whole", is_flag=True, help="With --tap: segments that look like ids stay as they are.")
@click.option("-n", "--namespace", default="default", show_default=True, metavar="NS", help="The Service's namespace.")
@click.option("--cluster-domain", default=names.CLUSTER_DOMAIN, show_default=True, metavar="NAME")
@scopes.flags
def profile(*, service: str, template: bool, namespace: str, cluster_domain: str, **said: Any) -> int:
    """Print a ServiceProfile for SERVICE, to look over and pipe to kubectl.

    \b
      isthmus profile --open-api books.yaml -n shop books | kubectl apply -f -
      isthmus profile --tap deploy/books --tap-duration 30s -n shop books
    """
    sources = ("open_api", "proto", "tap")
    if [template, *(said[one] is not None for one in sources)].count(True) != 1:
        raise BadValue(
            "profile",
            service,
            f"isthmus profile --template {service}",
            why="say one of --template, --open-api, --proto, --tap",
        )
    made = document(service, namespace, cluster_domain, {})
    if said["tap"] is not None:
        routes = _tapped(tapping.Wanted(scope=said["scope"], words=said["tap"], namespace=namespace), **said)
        if routes is None:
            return 130
        made["spec"] = {"routes": routes}
    elif said["open_api"] is not None:
        file = said["open_api"]
        made["spec"] = {"routes": openapi.from_openapi(_read(file), source=f"--open-api {file}")}
    elif said["proto"] is not None:
        file = said["proto"]
        made["spec"] = {"routes": openapi.from_proto(_read(file), source=f"--proto {file}")}
    else:
        made["spec"] = {"routes": TEMPLATE, "retryBudget": BUDGET}
    click.echo(manifest.write([made]), nl=False)
    return 0


def _tapped(wanted: tapping.Wanted, *, lasts: str, limit: int, whole: bool, **_: Any) -> list[dict[str, Any]] | None:
    """The routes that come in while it looks; None where it was interrupted before there was one."""
    seconds = units.duration(lasts, key="--tap-duration", example="5s")
    if not 0 < seconds <= LONGEST:
        raise BadValue("--tap-duration", lasts, "5s", why=f"not above 0 and up to {units.print_duration(LONGEST)}")
    found = seen.Seen(limit, whole)
    try:
        asyncio.run(_look(wanted, seconds, found))
    except KeyboardInterrupt:
        if not found.routes:
            return None
    if not found.routes:
        raise nothing(found, wanted.words, lasts)
    for sentence in told(found):
        output.say(sentence)
    return found.routes


async def _look(wanted: tapping.Wanted, seconds: float, found: seen.Seen) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(tapping.told(wanted)) as stream:
            async for event, many in stream:
                if event.kind == events.NOTICE:
                    output.say(lines.line(event, cluster=many))
                found.take(event)
                if found.full:
                    return


def nothing(found: seen.Seen, resource: str, lasts: str) -> IsthmusError:
    """Why there is no route."""
    if found.own:
        also = f"; {found.own} went to a pod's own address, as probes do"
    else:
        also = f"; it sent {found.sent} itself, which are routes of others" if found.sent else ""
    return IsthmusError(
        f"no request to a Service came in at {resource} within {lasts}{also}",
        hint="name the workload that answers for SERVICE, send it requests meanwhile, or look longer: --tap-duration 60s",
    )


def told(found: seen.Seen) -> list[str]:
    """What to know about the routes: people read it, kubectl does not."""
    sentences = [f"routes: {len(found.routes)}, of {found.requests} requests"]
    if found.full:
        sentences.append(f"it ended at {found.limit} routes, there may be more: --tap-route-limit {found.limit * 5}")
    if found.merged:
        sentences.append(
            f"segments that look like ids are {seen.ID} in {len(found.merged)} of them; --tap-keep-ids keeps them"
        )
    return sentences


def document(service: str, namespace: str, domain: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The ServiceProfile of a Service.

    Raises:
        BadValue: a name is none.
    """
    units.dns_label(service, key="SERVICE")
    units.dns_label(namespace, key="--namespace")
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": names.fq_service(service, namespace, domain), "namespace": namespace},
        "spec": spec,
    }


def _read(path: str) -> str:
    try:
        return sys.stdin.read(openapi.TEXT + 1) if path == "-" else pathlib.Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise IsthmusError(f"{path} cannot be read: {error}", hint="give a file, or - for stdin") from error
