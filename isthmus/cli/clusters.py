"""`isthmus link` and `unlink`: clusters joined and parted. In: names of contexts. Out: manifests, or changes with words.

Each mutating word prints manifests, applies them with `--apply`, or shows with `--dry-run` what it would do.
Never here: what a link is made of (see `isthmus.multicluster.link`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from isthmus import names, units
from isthmus.cli import scope as scopes
from isthmus.errors import BadValue, IsthmusError, Unreachable
from isthmus.install import manifest
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.multicluster import link as links
from isthmus.multicluster import objects
from isthmus.multicluster.shell import join, parting

T = TypeVar("T")


def choices_of(scope: scopes.Scope, cluster: str, source: str = "", **said: Any) -> links.Choices:
    """What was said on the command line, read once."""
    return links.Choices(
        cluster=units.dns_label(cluster, key="the target's name (TARGET, or --cluster-name)"),
        source=source,
        control_ns=scope.control_ns,
        server=said.get("api_server_address"),
        gateway_name=said.get("gateway_name") or "linkerd-gateway",
        gateway_namespace=said.get("gateway_namespace") or names.MULTICLUSTER_NS,
        gateway_addresses=_words(said.get("gateway_addresses")),
        gateway_port=units.port(said["gateway_port"], key="--gateway-port") if said.get("gateway_port") else None,
        selector=selector(said.get("selector"), "--selector"),
        excluded_labels=_words(said.get("excluded_labels")),
        excluded_annotations=_words(said.get("excluded_annotations")),
    )


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (word.strip() for word in (text or "").split(","))))


def selector(text: str | None, key: str) -> dict[str, Any] | None:
    """`a=b,c=d` as a label selector; None where nothing was said."""
    if text is None:
        return None
    pairs = [word.partition("=") for word in _words(text)]
    if not pairs or any(not (label and mark and value) for label, mark, value in pairs):
        raise BadValue(key, text, f"{names.EXPORTED}=true", why="not labels with values")
    return {"matchLabels": {label: value for label, _, value in pairs}}


def name_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """What the two clusters are called, for contexts that are no names: `arn:aws:eks:...`, `gke_...`, `me@west`."""
    command = click.option(
        "--source-name", metavar="NAME", help="What the source is called in the target. Default: from SOURCE."
    )(command)
    return click.option(
        "--cluster-name", metavar="NAME", help="What the target is called in the source. Default: from TARGET."
    )(command)


def named(
    scope: scopes.Scope, source: str, target: str, source_name: str | None, cluster_name: str | None, **said: Any
) -> links.Choices:
    """The choices for two contexts, with a name for each cluster."""
    cluster = scopes.called(target, cluster_name, "--cluster-name")
    choices = choices_of(scope, cluster, scopes.called(source, source_name, "--source-name"), **said)
    links.names_of_both(choices)
    return choices


def link_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Flags that `link` and `link-gen` share; Linkerd's names where it has them."""
    options = (
        click.option("--api-server-address", metavar="URL", help="Where the source reaches the target's API server."),
        click.option(
            "--gateway-name",
            default="linkerd-gateway",
            show_default=True,
            metavar="NAME",
            help="The gateway's Service.",
        ),
        click.option(
            "--gateway-namespace", default=names.MULTICLUSTER_NS, show_default=True, metavar="NS", help="Its namespace."
        ),
        click.option(
            "--gateway-addresses",
            metavar="LIST",
            help="IPs or DNS names, comma separated. Default: what the Service has.",
        ),
        click.option("--gateway-port", metavar="PORT", help="Default: the Service's port mc-gateway."),
        click.option(
            "--selector", metavar="LABELS", help=f"Which Services are mirrored. Default: {names.EXPORTED}=true"
        ),
        click.option("--excluded-labels", metavar="LIST", help="Labels not to take over: keys, or prefixes with /*."),
        click.option("--excluded-annotations", metavar="LIST", help="Annotations not to take over."),
    )
    for option in reversed(options):
        command = option(command)
    return command


async def _pair(
    scope: scopes.Scope, source: str, target: str, work: Callable[[join.Side, join.Side], Awaitable[T]]
) -> T:
    """Runs `work` with a client for each of two contexts."""
    here, there = access.load(source, scope.kubeconfig), access.load(target, scope.kubeconfig)
    async with kube.Client(here) as one, kube.Client(there) as other:
        return await work(join.Side(source, here, one), join.Side(target, there, other))


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--apply", "apply_it", is_flag=True, help="Carry it out. Without: print the manifests.")
@click.option("--dry-run", is_flag=True, help="Check everything, say what would be done, change nothing.")
@name_flags
@click.option(
    "--wait",
    default="30s",
    show_default=True,
    metavar="TIME",
    help="How long to wait for the link to answer; 0 not at all.",
)
@link_flags
@scopes.flags
def link(
    *,
    source: str,
    target: str,
    apply_it: bool,
    dry_run: bool,
    cluster_name: str | None,
    source_name: str | None,
    wait: str,
    scope: scopes.Scope,
    **said: Any,
) -> None:
    """Let SOURCE call the Services that TARGET exports; both are kubeconfig contexts.

    An exported Service (label mirror.linkerd.io/exported=true) appears in SOURCE as <service>-<name of TARGET>.
    """
    choices = named(scope, source, target, source_name, cluster_name, **said)
    seconds = units.duration(wait, key="--wait", example='"30s"')

    async def work(here: join.Side, there: join.Side) -> None:
        ready = await join.prepare(here, there, choices)
        if dry_run:
            _would(ready)
        elif apply_it:
            await join.join(ready, here, there, _say)
            if seconds:
                _tell(await join.wait_linked(here, choices, seconds), source)
        else:
            await _print(ready, there)

    asyncio.run(_pair(scope, source, target, work))


def _say(line: str) -> None:
    click.echo(line, err=True)


def _name(document: dict[str, Any]) -> str:
    meta = document["metadata"]
    return f"{document['kind']} {meta['namespace'] + '/' if 'namespace' in meta else ''}{meta['name']}"


def _would(ready: join.Ready) -> None:
    click.echo(f"in {ready.target.name}:")
    for document in links.target_documents(ready.source, ready.choices):
        click.echo(f"  apply {_name(document)}")
    click.echo(f"in {ready.source.name}:")
    for document in join.source_part(ready, ""):
        click.echo(f"  apply {_name(document)}")
    click.echo(f"gateway {', '.join(ready.gateway.addresses)}:{ready.gateway.port}, API server {ready.server}")


async def _print(ready: join.Ready, target: join.Side) -> None:
    """Manifests of both sides. The token can only be had once the account exists, so the first time the Secret is left out."""
    click.echo(f"# for cluster {ready.target.name}")
    click.echo(manifest.write(links.target_documents(ready.source, ready.choices)), nl=False)
    token = await links.issue_token(target.client, ready.account, ready.choices) if ready.has_account else ""
    documents = [d for d in join.source_part(ready, token) if token or d["kind"] != "Secret"]
    click.echo(f"# for cluster {ready.source.name}")
    click.echo(manifest.write(documents), nl=False)
    if not token:
        _say(
            f"note: the Secret with the credentials is missing above: its token is issued for {ready.account}, which {ready.target.name} "
            f"does not have yet. Apply the first part there and run this again, or use --apply."
        )


def _tell(words: dict[str, str], source: str) -> None:
    for kind in ("TargetReachable", "GatewayAlive"):
        _say(f"{source}: {kind} {words.get(kind, 'Unknown: the service mirror has not looked at the Link yet')}")
    if not all(words.get(kind, "").startswith("True") for kind in ("Valid", "TargetReachable", "GatewayAlive")):
        _say("the link is made but does not answer yet; `isthmus check` tells why")


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("--apply", "apply_it", is_flag=True, help="Carry it out. Without: print what would go, as manifests.")
@click.option("--dry-run", is_flag=True, help="Name every object that would go, change nothing.")
@name_flags
@scopes.flags
def unlink(
    *,
    source: str,
    target: str,
    apply_it: bool,
    dry_run: bool,
    cluster_name: str | None,
    source_name: str | None,
    scope: scopes.Scope,
) -> None:
    """Take the link from SOURCE to TARGET away, with all it made in both; works while TARGET is dead."""
    choices = named(scope, source, target, source_name, cluster_name)
    asyncio.run(_unlink(scope, source, target, choices, carry_out=apply_it and not dry_run, name_only=dry_run))


async def _unlink(
    scope: scopes.Scope, source: str, target: str, choices: links.Choices, *, carry_out: bool, name_only: bool
) -> None:
    """Both parts; a second call finishes what a dead target left over from the first."""
    here = access.load(source, scope.kubeconfig)
    async with kube.Client(here) as client:
        found = await parting.in_source(client, choices)
        other = _Other(scope, target, choices, await links.uid_of(client), carry_out)
        known = await join.known_links(client, choices.namespace)
        if found and carry_out:
            await join.part(join.Side(source, here, client), choices, _say)
            _say(f"{source}: {len(found)} objects of the link removed")
        gone, words = await _unlink_target(other, client, has_link=bool(found))
    if not found and not gone:
        raise IsthmusError(
            f"cluster {source!r} has no link to {choices.cluster!r}",
            hint=f"its links: {', '.join(known) or 'none'}; name one with --cluster-name; {words}",
        )
    if carry_out or not gone:
        _say(f"{target}: {words}")
    if carry_out:
        return
    for place, docs in ((source, found), (target, gone)):
        if name_only:
            lines = [f"  remove {_name(doc)}" for doc in docs] or ["  nothing"]
            click.echo("\n".join([f"in {place}:", *lines]))
        else:
            click.echo(f"# of cluster {place}")
            click.echo(manifest.write(docs), nl=False)


@dataclass(frozen=True, slots=True)
class _Other:
    """An unlink as its target sees it."""

    scope: scopes.Scope
    target: str
    choices: links.Choices
    source_uid: str
    carry_out: bool


async def _unlink_target(other: _Other, source: kube.Client, *, has_link: bool) -> tuple[list[dict[str, Any]], str]:
    """The target's part, as far as it can be reached: what was there, and a sentence.

    Raises:
        IsthmusError: there is no Link of that name, and one of another name needs what the target grants.
    """
    choices, account = other.choices, objects.account_name(other.choices.source)
    kinds = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings"
    mark = f"-A -l {objects.SOURCE_LABEL}={choices.source}"
    later = f"when it is back, call this again, or: kubectl --context {other.target} delete {kinds} {mark}"
    try:
        there = access.load(other.target, other.scope.kubeconfig)
    except IsthmusError as error:
        return [], f"the rights of {account} stay there, since there is no such context ({error.sentence})"
    try:
        async with kube.Client(there) as client:
            rest = await parting.leading_to(source, await links.uid_of(client), choices.namespace)
            rest = [name for name in rest if name != choices.cluster]
            if rest and not has_link:
                raise IsthmusError(
                    f"the link to {other.target!r} is not called {choices.cluster!r} but {rest[0]!r}",
                    hint=f"give --cluster-name {rest[0]}",
                )
            if rest:
                return [], f"the rights of {account} stay there, since Link {rest[0]} leads there too"
            found = await parting.in_target(client, choices, other.source_uid)
            if other.carry_out:
                await parting.remove(client, found)
    except Unreachable as error:
        return [], f"the rights of {account} stay there, since it does not answer ({error.sentence}); {later}"
    names_of = sorted({doc["metadata"]["name"] for doc in found if doc["kind"] == "ServiceAccount"}) or [account]
    return (
        found,
        f"{len(found)} objects of {', '.join(names_of)} removed" if found else f"nothing of {account} is there",
    )
