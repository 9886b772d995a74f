"""`isthmus list`: meshed pods, and whether they can be tapped. In: Pods. Out: a row for each.

Never here: tapping.
"""

from collections.abc import Iterable, Mapping, Sequence

import click
from lightkube.resources.core_v1 import Pod

from isthmus import names, workload
from isthmus.cli.viz import flags, several, show, table

ENABLED, DISABLED, MISSING = "enabled", "disabled", "after a restart"


@click.command("list")
@flags.seeing(window=False)
@flags.selector
def listed(*, view: flags.View, selector: str) -> int:
    """Meshed pods, and whether their requests can be tapped."""

    async def work(cluster: several.Cluster) -> show.Found:
        space = view.space(cluster.namespace)
        pods = await cluster.client.list(Pod, space or None, selector or None)
        found = rows(pods)
        where = f"namespace {space}" if space else "any namespace"
        return show.Found(found, () if found else (nothing(where, len(pods)),))

    return show.run(view, work, layout)


def rows(pods: Iterable[Pod]) -> list[table.Row]:
    """A row for each meshed pod that is not done."""
    alive = [
        p for p in pods if workload.meshed(p) and (p.status is None or p.status.phase not in ("Succeeded", "Failed"))
    ]
    keys = [(workload.key_of(p.metadata), tap(workload.annotations_of(p.metadata))) for p in alive]
    return sorted(
        ({"namespace": key.namespace, "pod": key.name, "tap": state} for key, state in keys),
        key=lambda row: (row["namespace"], row["pod"]),
    )


def tap(notes: Mapping[str, str]) -> str:
    """What a pod's annotations say of tap; one that says nothing was meshed before tap was there."""
    if notes.get(names.TAP_DISABLED) == "true":
        return DISABLED
    return ENABLED if notes.get(names.TAP_ENABLED) == "true" else MISSING


def nothing(where: str, pods: int) -> str:
    """Why there is no row."""
    if not pods:
        return f"there is no pod in {where}; other namespaces: -n NAMESPACE, or -A for all"
    mesh = "kubectl annotate namespace NAMESPACE linkerd.io/inject=enabled, then restart them"
    return f"none of the {pods} pods in {where} is meshed; {mesh}"


def layout(found: Sequence[table.Row]) -> list[table.Table]:
    """NAMESPACE, POD, TAP."""
    return [
        table.Table((table.text("NAMESPACE", "namespace"), table.text("POD", "pod"), table.text("TAP", "tap")), found)
    ]
