"""`isthmus viz install`, `upgrade`, `uninstall`. In: flags. Out: manifests on stdout, or a changed cluster.

Manifests are printed unless `--apply` carries them out or `--dry-run` says what would change; words for people go to stderr.
Never here: what is installed (see `isthmus.install.viz`).
"""

import asyncio
import datetime as dt
from collections.abc import Callable
from typing import Any

import click
from lightkube.resources.core_v1 import ConfigMap

from isthmus import names, units
from isthmus.cli import output
from isthmus.cli import scope as scopes
from isthmus.errors import IsthmusError
from isthmus.install import core, manifest, removal, rollout, state, trust
from isthmus.install import values as core_values
from isthmus.install.viz import parts, plan, tap, values
from isthmus.kube import access
from isthmus.kube import client as kube

Doc = dict[str, Any]

PATIENCE = 30.0
"""Seconds one call may take: an API server that has just been given new definitions is slow for a while."""


def _ways(command: Callable[..., Any]) -> Callable[..., Any]:
    """The three ways a mutating word works."""
    command = click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")(command)
    return click.option("--apply", "apply_it", is_flag=True, help="Carry it out. Without: print the manifests.")(
        command
    )


def _choices(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option(
        "--timeout", default="3m", show_default=True, metavar="TIME", help="How long --apply waits."
    )(command)
    command = click.option("--wait/--no-wait", default=True, help="With --apply: return when everything is ready.")(
        command
    )
    return click.option(
        "--set", "sets", multiple=True, metavar="KEY=TEXT", help="A setting; again for more. See docs/viz.md."
    )(command)


@click.command()
@_ways
@_choices
@scopes.flags
def install(*, scope: scopes.Scope, **said: Any) -> None:
    """Put the viz extension into a cluster: Prometheus, the metrics API that answers from it, and tap.

    Installing again keeps what was chosen and changes only what you say.
    """
    asyncio.run(_install(scope, said, must_exist=False))


@click.command()
@_ways
@_choices
@scopes.flags
def upgrade(*, scope: scopes.Scope, **said: Any) -> None:
    """Bring an installed viz extension to this version or to other values."""
    asyncio.run(_install(scope, said, must_exist=True))


async def _install(scope: scopes.Scope, said: dict[str, Any], *, must_exist: bool) -> None:
    # Everything that can be wrong with the words is told before a cluster is asked.
    sets = core_values.parse_sets(said["sets"])
    values.overlay(values.Values(), sets)
    timeout = units.duration(said["timeout"], key="--timeout", example='"3m"')
    async with kube.Client(access.load(scope.context, scope.kubeconfig), timeout=PATIENCE) as client:
        stored = await client.get(ConfigMap, plan.CONFIG, names.VIZ_NS)
        if must_exist and stored is None:
            raise IsthmusError(
                f"cluster {client.access.context!r} has no viz extension to upgrade", hint="isthmus viz install --apply"
            )
        docs = documents(
            await state.read(client, scope.control_ns),
            scope,
            state.data_of(stored).get("values", ""),
            sets,
            tap=await tap.certificate(client, now=dt.datetime.now(dt.UTC)),
        )
        if said["dry_run"]:
            for what, doc in await rollout.changes(client, docs):
                if what != "unchanged":
                    click.echo(f"{what} {rollout.describe(doc)}")
            for doc in await removal.left(client, docs, extension="viz", space=names.VIZ_NS):
                click.echo(f"remove {rollout.describe(doc)}")
        elif said["apply_it"]:
            with output.Progress() as progress:
                await rollout.apply(client, docs, progress.now, gone_within=timeout)
                progress.done(f"{client.access.context}: {len(docs)} objects applied")
                over = await removal.left(client, docs, extension="viz", space=names.VIZ_NS)
                await removal.remove_documents(client, over, progress.now, progress.done)
                if said["wait"]:
                    await rollout.wait(client, docs, progress.now, progress.done, deadline=timeout)
                    progress.done(f"{client.access.context}: the viz extension is ready")
        else:
            click.echo(manifest.write(docs), nl=False)


def documents(
    found: state.State, scope: scopes.Scope, stored: str, sets: dict[str, str], *, tap: trust.Webhook
) -> list[Doc]:
    """The extension for what a cluster has. `stored`: what an earlier installation chose, "" for none.

    Raises:
        IsthmusError: there is no control plane.
    """
    if found.values is None or found.trust is None:
        raise IsthmusError("the cluster has no control plane to measure", hint="isthmus install --apply")
    mesh = core.Plan(
        values=found.values,
        trust=found.trust,
        webhook=trust.webhook(found.webhook, scope.control_ns, now=dt.datetime.now(dt.UTC)),
        control_ns=scope.control_ns,
        present=found.present,
    )
    base = values.load(stored) if stored else values.Values()
    return parts.render(plan.Plan(mesh, values.overlay(base, sets), tap))


@click.command()
@_ways
@scopes.flags
def uninstall(*, apply_it: bool, dry_run: bool, scope: scopes.Scope) -> None:
    """Take the viz extension out of a cluster; the mesh stays."""
    asyncio.run(_uninstall(scope, carry_out=apply_it and not dry_run, only_say=dry_run))


async def _uninstall(scope: scopes.Scope, *, carry_out: bool, only_say: bool) -> None:
    async with kube.Client(access.load(scope.context, scope.kubeconfig), timeout=PATIENCE) as client:
        docs = await removal.found(client, scope.control_ns, extension="viz")
        if not docs:
            raise IsthmusError(
                f"cluster {client.access.context!r} has no viz extension", hint="isthmus viz install --apply"
            )
        if only_say:
            for doc in docs:
                click.echo(f"remove {rollout.describe(doc)}")
        elif carry_out:
            with output.Progress() as progress:
                await removal.remove_documents(client, docs, progress.now, progress.done)
                progress.done(f"{client.access.context}: the viz extension is gone")
        else:
            shown = [{key: doc[key] for key in ("apiVersion", "kind", "metadata")} for doc in docs]
            click.echo(manifest.write(shown), nl=False)
            output.say("to carry out: isthmus viz uninstall --apply, or pipe this to kubectl delete -f -")
