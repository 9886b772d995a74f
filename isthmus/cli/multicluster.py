"""`isthmus multicluster`: the parts of linking one by one, by Linkerd's words. In: flags. Out: manifests, a changed cluster, tables.

Never here: `link` and `unlink`, which do it all (see `clusters`); what is installed (see `isthmus.install`).
"""

import asyncio
import datetime as dt
import json
from collections.abc import Callable, Sequence
from typing import Any

import click

from isthmus import names, units
from isthmus.cli import checks, clusters, output
from isthmus.cli import scope as scopes
from isthmus.errors import BadValue, IsthmusError
from isthmus.install import core, manifest, rollout, state, trust, values
from isthmus.install import multicluster as extension
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.multicluster import link as links
from isthmus.multicluster import objects
from isthmus.multicluster.shell import join, survey

Doc = dict[str, Any]


@click.group()
def multicluster() -> None:
    """Links, gateways and credentials one by one."""


multicluster.add_command(checks.check)


def _ways(command: Callable[..., Any]) -> Callable[..., Any]:
    """The three ways a mutating word works."""
    command = click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")(command)
    return click.option("--apply", "apply_it", is_flag=True, help="Carry it out. Without: print the manifests.")(
        command
    )


async def _settle(client: kube.Client, documents: Sequence[Doc], *, apply_it: bool) -> None:
    """Applies documents, or says which would be made or changed."""
    if apply_it:
        with output.Progress() as progress:
            await rollout.apply(client, documents, progress.now)
            progress.done(f"{client.access.context}: {len(documents)} objects applied")
        return
    for what, document in await rollout.changes(client, documents):
        if what != "unchanged":
            click.echo(f"{what} {rollout.describe(document)}")


@multicluster.command()
@_ways
@click.option("--set", "sets", multiple=True, metavar="KEY=TEXT", help="A setting; again for more.")
@scopes.flags
def install(*, apply_it: bool, dry_run: bool, sets: tuple[str, ...], scope: scopes.Scope) -> None:
    """Put the gateway and the service mirror into a cluster whose control plane was installed without them."""
    asyncio.run(_install(scope, values.parse_sets(sets), apply_it=apply_it, dry_run=dry_run))


async def _install(scope: scopes.Scope, sets: dict[str, str], *, apply_it: bool, dry_run: bool) -> None:
    async with kube.Client(access.load(scope.context, scope.kubeconfig)) as client:
        documents = extension_of(await state.read(client, scope.control_ns), scope, sets, dt.datetime.now(dt.UTC))
        if dry_run:
            await _settle(client, documents, apply_it=False)
        elif apply_it:
            with output.Progress() as progress:
                await rollout.apply(client, documents, progress.now)
                await rollout.wait(client, documents, progress.now, progress.done)
                progress.done(f"{client.access.context}: gateway and service mirror are ready")
        else:
            click.echo(manifest.write(documents), nl=False)


def extension_of(found: state.State, scope: scopes.Scope, sets: dict[str, str], now: dt.datetime) -> list[Doc]:
    """The multicluster part for what a cluster has, and the config map that records it.

    Raises:
        IsthmusError: there is no control plane.
    """
    if found.values is None or found.trust is None:
        raise IsthmusError(
            "the cluster has no control plane for a gateway to belong to",
            hint="isthmus install --apply, which brings gateway and service mirror too",
        )
    plan = core.Plan(
        values=values.overlay(found.values, {**sets, "multicluster": "true"}),
        trust=found.trust,
        webhook=trust.webhook(found.webhook, scope.control_ns, now=now),
        control_ns=scope.control_ns,
        present=found.present,
    )
    config = [d for d in core.render(plan) if d["kind"] == "ConfigMap" and d["metadata"]["name"] == core.CONFIG]
    return config + extension.render(plan)


@multicluster.command("link-gen")
@_ways
@click.option("--source", metavar="CONTEXT", help="With --apply and --dry-run: the context of the source.")
@click.option("--cluster-name", required=True, metavar="NAME", help="What this cluster will be called in the source.")
@click.option(
    "--service-account-name",
    default=f"{objects.REMOTE_ACCESS}-default",
    show_default=True,
    metavar="NAME",
    help="Whose token.",
)
@click.option("--gateway/--no-gateway", "with_gateway", default=True, help="Without: a Link for remote discovery only.")
@click.option("--remote-discovery-selector", metavar="LABELS", help="For sources that discover remotely.")
@click.option("--federated-service-selector", metavar="LABELS", help="For sources that federate.")
@clusters.link_flags
@scopes.flags
def link_gen(
    *,
    apply_it: bool,
    dry_run: bool,
    source: str | None,
    cluster_name: str,
    service_account_name: str,
    with_gateway: bool,
    scope: scopes.Scope,
    **said: Any,
) -> None:
    """Make what a source needs to link to the cluster of --context: pipe it to kubectl there, or give --source with --apply."""
    if (apply_it or dry_run) and source is None:
        raise BadValue("--source", None, "--source east", why="--apply and --dry-run must know the source's context")
    here = access.load(source, scope.kubeconfig) if source is not None else None
    choices = clusters.choices_of(scope, cluster_name, **said)
    flags = {
        "remoteDiscoverySelector": "remote_discovery_selector",
        "federatedServiceSelector": "federated_service_selector",
    }
    chosen = {field: clusters.selector(said.get(flag), f"--{flag.replace('_', '-')}") for field, flag in flags.items()}
    more = {field: one for field, one in chosen.items() if one is not None}

    async def work() -> None:
        made = await _generate(scope, choices, service_account_name, more, with_gateway=with_gateway)
        if here is None or not (apply_it or dry_run):
            click.echo(manifest.write(made), nl=False)
            return
        async with kube.Client(here) as client:
            await _settle(client, made, apply_it=apply_it and not dry_run)

    asyncio.run(work())


async def _generate(
    scope: scopes.Scope, choices: links.Choices, account: str, more: dict[str, Any], *, with_gateway: bool
) -> Sequence[dict[str, Any]]:
    there = access.load(scope.context, scope.kubeconfig)
    async with kube.Client(there) as client:
        side = join.Side(there.context, there, client)
        return await join.generate(side, choices, account, more, with_gateway=with_gateway)


@multicluster.command()
@_ways
@click.option(
    "--service-account-name", required=True, metavar="NAME", help="One for each source, so that each is revoked singly."
)
@scopes.flags
def allow(*, apply_it: bool, dry_run: bool, service_account_name: str, scope: scopes.Scope) -> None:
    """Grant a source that is linked by `link-gen` what it needs here: an account, rights, a token."""
    account = units.dns_label(service_account_name, key="--service-account-name")
    documents = objects.remote_access(account, control_ns=scope.control_ns, for_linkerd=True)
    if not (apply_it or dry_run):
        click.echo(manifest.write(documents), nl=False)
        return

    async def work() -> None:
        async with kube.Client(access.load(scope.context, scope.kubeconfig)) as client:
            await _settle(client, documents, apply_it=apply_it and not dry_run)

    asyncio.run(work())


@multicluster.command()
@click.option("-o", "--output", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@scopes.flags
def gateways(*, form: str, scope: scopes.Scope) -> None:
    """The gateways this cluster is linked to: do they answer, how many Services come through, how long a probe takes."""
    rows = asyncio.run(_gateways(scope))
    if form == "json":
        keys = ("clusterName", "alive", "numberOfServices", "latency")
        click.echo(
            json.dumps(
                [dict(zip(keys, (r.cluster, r.alive, r.services, r.latency), strict=True)) for r in rows], indent=2
            )
        )
        return
    lines = [
        (r.cluster, str(r.alive), str(r.services), f"{r.latency}ms" if r.latency is not None else "-") for r in rows
    ]
    click.echo(output.table(("CLUSTER", "ALIVE", "NUM_SVC", "LATENCY"), lines))


async def _gateways(scope: scopes.Scope) -> list[survey.Row]:
    async with kube.Client(access.load(scope.context, scope.kubeconfig)) as client:
        return await survey.gateways(client, names.MULTICLUSTER_NS)
