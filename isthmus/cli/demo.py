"""`isthmus demo`: the main job, shown. In: words of the command line. Out: an exit code.

On its own it makes a lab, installs and links; with `--source` and `--target` it takes two clusters that are ready.
Never here: the demonstration itself (see `isthmus.demo.run`).
"""

import asyncio
import shlex

import click

from isthmus import errors
from isthmus.cli import scope as scopes

EXPLORE_OWN = """
The demonstration is still there. To look around, with your kubeconfig:
  kubectl --context {source} -n isthmus-demo get svc,pods,httproutes.policy.linkerd.io
  isthmus multicluster gateways --context {source}
To stop: kubectl --context {source} delete namespace isthmus-demo, and the same for {target}
"""
EXPLORE = """
The clusters are still up. To look around:
  export KUBECONFIG="$(isthmus lab kubeconfig --path)"
  isthmus lab kubectl east -n isthmus-demo get svc,pods,httproutes.policy.linkerd.io
  isthmus multicluster gateways --context east
  isthmus stat deploy -n isthmus-demo --context east,west
  isthmus check --context east
  isthmus lab kubectl east -n isthmus-demo logs deploy/client -c client --tail=5
To stop: make demo-down   (or: isthmus lab down)
"""


@click.command()
@click.option(
    "--source", help="A context that is installed and linked already; with --target. Default: a new lab's east."
)
@click.option("--target", help="The context whose exports the source sees. Default: a new lab's west.")
@click.option("--source-name", metavar="NAME", help="What the link calls the source. Default: from --source.")
@click.option("--cluster-name", metavar="NAME", help="What the link calls the target. Default: from --target.")
@click.option("--kubeconfig", type=click.Path(exists=True), help="Where the contexts are.")
@click.option("--image", help="The demonstration's image, on the nodes or in a registry.")
@click.option("--rps", default=200, show_default=True, help="Requests a second.")
@click.option("--connections", default=16, show_default=True, help="Connections of the client.")
@click.option("--seconds", default=8.0, show_default=True, help="How long each split stands.")
@click.option(
    "--print", "part", type=click.Choice(["source", "target", "split"]), help="Print manifests instead, for kubectl."
)
@click.option("--weights", default="50/50", show_default=True, help="With --print split: source/target.")
def demo(
    source: str | None,
    target: str | None,
    source_name: str | None,
    cluster_name: str | None,
    kubeconfig: str | None,
    image: str | None,
    rps: int,
    connections: int,
    seconds: float,
    part: str | None,
    weights: str,
) -> None:
    """Two clusters, one Service, weights that move: 100/0, 50/50, 0/100 and back, without a failed request."""
    from isthmus.demo import run  # slow to import: rich, the Kubernetes client

    if (source is None) != (target is None):
        raise errors.BadValue(
            "--source/--target", source or target, "--source east --target west", why="give both or none"
        )
    options = run.Options(
        source=source or "east",
        target=target or "west",
        image=image or run.default_image(),
        source_name=scopes.called(source or "east", source_name, "--source-name"),
        target_name=scopes.called(target or "west", cluster_name, "--cluster-name"),
        rps=rps,
        connections=connections,
        phase_seconds=seconds,
        kubeconfig=kubeconfig,
    )
    if part is not None:
        click.echo(run.manifests(options, part, weights))
        return
    outcome = asyncio.run(run.whole(options) if source is None else run.show(options))
    click.echo(f"{outcome.requests} requests while the weights moved, {outcome.failed} failed")
    if outcome.failed:
        raise errors.IsthmusError(
            f"{outcome.failed} of {outcome.requests} requests failed",
            hint=f"isthmus check --context {shlex.quote(options.source)}",
        )
    own = EXPLORE_OWN.format(source=shlex.quote(options.source), target=shlex.quote(options.target))
    click.echo(EXPLORE if source is None else own, err=True)
