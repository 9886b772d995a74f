"""`isthmus install`, `upgrade`, `uninstall`, `inject`, `uninject`. In: flags, files. Out: manifests on stdout, or a changed cluster.

Manifests are printed unless `--apply` carries them out or `--dry-run` says what would change; words for people go to stderr.
Never here: what is installed (see `isthmus.install`), how pods are patched (see `isthmus.inject`).
"""

import asyncio
import datetime as dt
import pathlib
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import click

import isthmus
from isthmus import knobs, names, units
from isthmus.cli import output
from isthmus.cli import scope as scopes
from isthmus.errors import BadValue, IsthmusError
from isthmus.inject import decide, documents
from isthmus.inject import mesh as meshes
from isthmus.install import core, manifest, multicluster, removal, rollout, state, trust, values
from isthmus.kube import access
from isthmus.kube import client as kube

Doc = dict[str, Any]

PATIENCE = 30.0
"""Seconds one call may take: an API server that has just been given new definitions is slow for a while."""


def _ways(command: Callable[..., Any]) -> Callable[..., Any]:
    """The three ways a mutating word works, and how long it waits."""
    command = click.option(
        "--timeout", default="3m", show_default=True, metavar="TIME", help="How long --apply waits."
    )(command)
    command = click.option("--wait/--no-wait", default=True, help="With --apply: return when everything is ready.")(
        command
    )
    return _apply_flags(command)


def _apply_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    command = click.option("--dry-run", is_flag=True, help="Say what would change; change nothing.")(command)
    return click.option("--apply", "apply_it", is_flag=True, help="Carry it out. Without: print the manifests.")(
        command
    )


def _choices(command: Callable[..., Any]) -> Callable[..., Any]:
    """What `install` and `upgrade` are told."""
    flags = (
        click.option(
            "--set", "sets", multiple=True, metavar="KEY=TEXT", help="A setting; again for more. See docs/settings.md."
        ),
        click.option(
            "--ha", is_flag=True, help="Three replicas of everything; pods are refused while the injector is away."
        ),
        click.option("--identity-trust-anchors-file", "anchors", metavar="PEM", help="Your trust anchors."),
        click.option(
            "--identity-issuer-certificate-file", "issuer", metavar="PEM", help="Your issuer, signed by an anchor."
        ),
        click.option("--identity-issuer-key-file", "key", metavar="PEM", help="Its key."),
        click.option(
            "--trust-dir",
            type=click.Path(path_type=pathlib.Path),
            help="Where an anchor made here is kept. Default: ~/.config/isthmus/trust.",
        ),
        click.option("--crds", "only_definitions", is_flag=True, help="The custom resource definitions alone."),
    )
    for flag in reversed(flags):
        command = flag(command)
    return command


HA = {"controlReplicas": "3", "gatewayReplicas": "3", "mirrorReplicas": "3", "webhookFailurePolicy": "Fail"}


@click.command()
@_ways
@_choices
@click.option("--ignore-cluster", is_flag=True, help="Ask no cluster: print what a bare one would get.")
@scopes.flags
def install(*, ignore_cluster: bool, scope: scopes.Scope, **said: Any) -> None:
    """Put the control plane and the gateway into a cluster.

    Without certificates of your own a trust anchor is made, and kept in the trust folder, so that the next cluster you install can be
    linked with this one. Installing again keeps certificates and changes only what you say.
    """
    if ignore_cluster and (said["apply_it"] or said["dry_run"]):
        raise click.UsageError("--ignore-cluster prints manifests; it goes with neither --apply nor --dry-run")
    _run(_install(scope, said, ignore_cluster=ignore_cluster))


@click.command()
@_ways
@_choices
@scopes.flags
def upgrade(*, scope: scopes.Scope, **said: Any) -> None:
    """Bring an installed cluster to this version or to other values; certificates stay."""
    _run(_install(scope, said, must_exist=True))


async def _install(
    scope: scopes.Scope, said: dict[str, Any], *, ignore_cluster: bool = False, must_exist: bool = False
) -> None:
    # Everything that can be wrong with the words is told before a cluster is asked.
    sets = {**(HA if said["ha"] else {}), **values.parse_sets(said["sets"])}
    values.overlay(values.Values(), sets)
    timeout = units.duration(said["timeout"], key="--timeout", example='"3m"')
    units.dns_label(scope.control_ns, key="--linkerd-namespace")
    files = trust.Files(said["anchors"], said["issuer"], said["key"])
    files.given()
    folder = said["trust_dir"] or trust.default_folder()
    if ignore_cluster:
        _print(_documents(state.State(), scope, sets, files, folder, said))
        return
    async with kube.Client(access.load(scope.context, scope.kubeconfig), timeout=PATIENCE) as client:
        found = await state.read(client, scope.control_ns)
        if must_exist and found.values is None:
            raise IsthmusError(
                f"cluster {client.access.context!r} has nothing to upgrade", hint="isthmus install --apply"
            )
        docs = _documents(found, scope, sets, files, folder, said)
        kinds = {d["kind"] for d in docs}
        if found.values is not None and found.values.multicluster and "Deployment" in kinds and "Server" not in kinds:
            output.say(
                f"what is in namespace {names.MULTICLUSTER_NS} stays; to remove it: kubectl delete namespace {names.MULTICLUSTER_NS}"
            )
        if said["dry_run"]:
            await _tell_changes(client, docs)
        elif said["apply_it"]:
            await _carry_out(client, docs, wait=said["wait"], timeout=timeout)
        else:
            _print(docs)


def _documents(
    found: state.State,
    scope: scopes.Scope,
    sets: dict[str, str],
    files: trust.Files,
    folder: pathlib.Path,
    said: dict[str, Any],
) -> list[Doc]:
    """What the cluster should have, from what it has and what was said."""
    if said["only_definitions"]:
        return core.definitions(found.present)
    chosen = values.overlay(found.values or values.Values(), sets)
    now = dt.datetime.now(dt.UTC)
    settled = trust.settle(
        files, found.trust, folder, now=now, trust_domain=chosen.trust_domain, control_ns=scope.control_ns
    )
    output.say(f"certificates: {settled.origin}")
    plan = core.Plan(
        values=chosen,
        trust=settled,
        webhook=trust.webhook(found.webhook, scope.control_ns, now=now),
        control_ns=scope.control_ns,
        present=found.present,
    )
    return core.render(plan) + (multicluster.render(plan) if chosen.multicluster else [])


def _print(docs: Sequence[Doc]) -> None:
    click.echo(manifest.write(docs), nl=False)
    if any(d["kind"] == "Server" for d in docs):
        output.say(
            "to carry out: the definitions first, isthmus install --crds | kubectl apply --server-side -f -, then the whole; or use --apply"
        )


async def _tell_changes(client: kube.Client, docs: Sequence[Doc]) -> None:
    rows = await rollout.changes(client, docs)
    for what, doc in rows:
        if what != "unchanged":
            click.echo(f"{what} {rollout.describe(doc)}")
    counts = {word: sum(1 for what, _ in rows if what == word) for word in ("create", "change", "unchanged")}
    output.say(
        f"cluster {client.access.context}: {counts['create']} to create, {counts['change']} to change, {counts['unchanged']} unchanged"
    )


async def _carry_out(client: kube.Client, docs: Sequence[Doc], *, wait: bool, timeout: float) -> None:
    with output.Progress() as progress:
        await rollout.apply(client, docs, progress.now, gone_within=timeout)
        progress.done(f"{client.access.context}: {len(docs)} objects applied")
        if wait:
            await rollout.wait(client, docs, progress.now, progress.done, deadline=timeout)
            progress.done(f"{client.access.context}: Isthmus {isthmus.__version__} is ready")


@click.command()
@_apply_flags
@scopes.flags
def uninstall(*, apply_it: bool, dry_run: bool, scope: scopes.Scope) -> None:
    """Take everything of ours out of a cluster: control plane, gateway, links with their mirrors, definitions."""
    _run(_uninstall(scope, carry_out=apply_it and not dry_run, only_say=dry_run))


async def _uninstall(scope: scopes.Scope, *, carry_out: bool, only_say: bool) -> None:
    async with kube.Client(access.load(scope.context, scope.kubeconfig), timeout=PATIENCE) as client:
        docs = await removal.found(client, scope.control_ns)
        if not docs:
            raise IsthmusError(
                f"cluster {client.access.context!r} has nothing of Isthmus's", hint="isthmus install --apply"
            )
        if only_say:
            for doc in docs:
                click.echo(f"remove {rollout.describe(doc)}")
        elif carry_out:
            with output.Progress() as progress:
                await removal.remove(client, docs, progress.now, progress.done)
                progress.done(
                    f"{client.access.context}: Isthmus is gone; meshed pods keep their proxies until they are made again"
                )
        else:
            shown = [{key: doc[key] for key in ("apiVersion", "kind", "metadata")} for doc in docs]
            click.echo(manifest.write(shown), nl=False)
            output.say(
                "to carry out: isthmus uninstall --apply, which takes links apart first; or pipe this to kubectl delete -f -"
            )


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--manual", is_flag=True, help="Put the containers in at once; without, the webhook does it when pods start."
)
@click.option("--ingress", is_flag=True, help="For ingress controllers: route by l5d-dst-override.")
@click.option(
    "--set", "sets", multiple=True, metavar="KEY=TEXT", help="A setting as its annotation, without config.linkerd.io/."
)
@click.option(
    "--ignore-cluster", is_flag=True, help="With --manual: ask no cluster; needs --identity-trust-anchors-file."
)
@click.option(
    "--identity-trust-anchors-file", "anchors", metavar="PEM", help="With --ignore-cluster: the trust anchors."
)
@scopes.flags
def inject(
    *,
    files: tuple[str, ...],
    manual: bool,
    ingress: bool,
    sets: tuple[str, ...],
    ignore_cluster: bool,
    anchors: str | None,
    scope: scopes.Scope,
) -> None:
    """Mesh the workloads in YAML files, or of stdin: YAML to stdout, a report to stderr.

    \b
      isthmus inject deployment.yaml | kubectl apply -f -
      kubectl get deploy web -o yaml | isthmus inject --manual - | kubectl apply -f -
    """
    chosen = values.parse_sets(sets)
    for key in chosen:
        knobs.known(key, knobs.FIELDS, where="--set")
    notes = {f"{names.CONFIG}{key}": text for key, text in chosen.items()}
    mesh = (
        (_mesh_of_flags(scope, anchors) if ignore_cluster else asyncio.run(_mesh_of_cluster(scope))) if manual else None
    )
    request = documents.Request(decide.INGRESS if ingress else decide.ENABLED, notes, mesh)
    docs, reports = _each(files, lambda doc: documents.inject(doc, request))
    _hand_over(docs, reports)


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
def uninject(files: tuple[str, ...]) -> None:
    """Take the mesh out of YAML: containers, volumes, labels and annotations."""
    _hand_over(*_each(files, documents.uninject))


def _mesh_of_flags(scope: scopes.Scope, anchors: str | None) -> meshes.Mesh:
    """What proxies must know, without a cluster."""
    if not anchors:
        example = "--ignore-cluster --identity-trust-anchors-file ca.crt"
        raise BadValue("--ignore-cluster", "without anchors", example, why="a proxy must know them")
    try:
        pem = pathlib.Path(anchors).read_text()
    except OSError as failed:
        raise BadValue("--identity-trust-anchors-file", anchors, "ca.crt", why=str(failed.strerror)) from None
    return meshes.from_values(meshes.stored(values.store(values.Values(), pem)), pem, control_ns=scope.control_ns)


async def _mesh_of_cluster(scope: scopes.Scope) -> meshes.Mesh:
    """What proxies must know, as the cluster's control plane has it."""
    async with kube.Client(access.load(scope.context, scope.kubeconfig), timeout=PATIENCE) as client:
        found = await state.read(client, scope.control_ns)
    if found.values is None or found.trust is None:
        raise IsthmusError(
            "the cluster has no control plane to mesh with", hint="isthmus install --apply, or leave --manual away"
        )
    stored = meshes.stored(values.store(found.values, found.trust.anchors))
    return meshes.from_values(stored, found.trust.anchors, control_ns=scope.control_ns)


Change = Callable[[Doc], tuple[Doc, list[documents.Report]]]


def _each(files: Sequence[str], change: Change) -> tuple[list[Doc], list[documents.Report]]:
    """All documents of all files changed, before anything is written: bad input leaves stdout empty."""
    docs: list[Doc] = []
    reports: list[documents.Report] = []
    for path in files or ("-",):
        for doc in manifest.read(_text(path), source="stdin" if path == "-" else path):
            made, said = change(doc)
            docs.append(made)
            reports += said
    return docs, reports


def _text(path: str) -> str:
    if path == "-":
        if sys.stdin.isatty():
            output.say("reading YAML from the terminal; end with Ctrl-D")
        return sys.stdin.read()
    try:
        return pathlib.Path(path).read_text()
    except (OSError, UnicodeDecodeError) as failed:
        raise BadValue(
            "FILE", path, "deployment.yaml", why=str(getattr(failed, "strerror", "") or "not text")
        ) from None


def _hand_over(docs: Sequence[Doc], reports: Sequence[documents.Report]) -> None:
    click.echo(manifest.write(docs), nl=False)
    output.say("")
    for report in reports:
        output.say(report.text())


def _run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)
