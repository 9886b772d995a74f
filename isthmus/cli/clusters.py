"""`isthmus link` and `unlink`: clusters joined and parted. In: names of contexts. Out: manifests, or changes with words.

Each mutating word prints manifests, applies them with `--apply`, or shows with `--dry-run` what it would do.
Never here: what a link is made of (see `isthmus.multicluster.link`).
"""

import asyncio
from collections.abc import Awaitable, Callable
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
from isthmus.multicluster.shell import join, survey

T = TypeVar("T")


def choices_of(scope: scopes.Scope, cluster: str, **said: Any) -> links.Choices:
    """What was said on the command line, read once."""
    return links.Choices(
        cluster=units.dns_label(cluster, key="the target's name (TARGET, or --cluster-name)"),
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
@click.option("--cluster-name", metavar="NAME", help="What the target is called in the source. Default: TARGET.")
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
    wait: str,
    scope: scopes.Scope,
    **said: Any,
) -> None:
    """Let SOURCE call the Services that TARGET exports; both are kubeconfig contexts.

    An exported Service (label mirror.linkerd.io/exported=true) appears in SOURCE as <service>-TARGET.
    """
    choices = choices_of(scope, cluster_name or target, **said)
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
@click.option("--apply", "apply_it", is_flag=True, help="Carry it out. Without: say what would be removed.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, change nothing. The default.")
@scopes.flags
def unlink(*, source: str, target: str, apply_it: bool, dry_run: bool, scope: scopes.Scope) -> None:
    """Take the link from SOURCE to TARGET away, with all it made in both; works while TARGET is dead."""
    choices = choices_of(scope, target)
    asyncio.run(_unlink(scope, source, choices, carry_out=apply_it and not dry_run))


async def _unlink(scope: scopes.Scope, source: str, choices: links.Choices, *, carry_out: bool) -> None:
    """Both parts; a second call finishes what a dead target left over from the first."""
    here = access.load(source, scope.kubeconfig)
    async with kube.Client(here) as client:
        found = await survey.of_link(client, choices)
        known = ", ".join(await join.known_links(client, choices.namespace)) or "none"
        if found and carry_out:
            await join.part(join.Side(source, here, client), choices, _say)
            _say(f"{source}: {len(found)} objects of the link removed")
    gone, words = await _unlink_target(scope, source, choices, carry_out=carry_out)
    if not found and not gone:
        raise IsthmusError(
            f"cluster {source!r} has no link to {choices.cluster!r}", hint=f"its links: {known}; {words}"
        )
    if carry_out:
        _say(f"{choices.cluster}: {words}")
        return
    for place, lines in ((source, found), (choices.cluster, gone)):
        click.echo(f"in {place}:")
        for line in lines or ["nothing"]:
            click.echo(f"  remove {line}")


async def _unlink_target(
    scope: scopes.Scope, source: str, choices: links.Choices, *, carry_out: bool
) -> tuple[list[str], str]:
    """The target's part, as far as it can be reached: what was there, and a sentence."""
    account = objects.account_name(source)
    kinds = "serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings"
    mark = f"-A -l {objects.SOURCE_LABEL}={source}"
    later = f"when it is back, call this again, or: kubectl --context {choices.cluster} delete {kinds} {mark}"
    try:
        there = access.load(choices.cluster, scope.kubeconfig)
    except IsthmusError as error:
        return [], f"the rights of {account} stay there, since there is no such context ({error.sentence})"
    try:
        async with kube.Client(there) as client:
            gone = await links.remove_target(client, source, choices, carry_out=carry_out)
    except Unreachable as error:
        return [], f"the rights of {account} stay there, since it does not answer ({error.sentence}); {later}"
    return gone, f"{len(gone)} objects of {account} removed"
