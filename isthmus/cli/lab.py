"""`isthmus lab`: clusters to try things on. In: command lines. Out: a running lab, lines of progress, states, exit codes.

Never here: what the verbs do (`isthmus.lab`). Refusals are `IsthmusError`s, which the program's entry prints with their exit codes.
"""

import os
import pathlib
import sys
import time

import click

from isthmus import errors
from isthmus.lab import access, layout, lifecycle, net, provision, status
from isthmus.lab.node import spec


def say(line: str) -> None:
    """One line of progress."""
    click.echo(f"[{time.strftime('%H:%M:%S')}] {line}", err=True)


def current() -> layout.Lab:
    """The lab of this environment, which has to be up."""
    lab = layout.here(os.environ)
    if not lab.clusters:
        raise errors.Unreachable("no lab is up", hint="isthmus lab up")
    return lab


@click.group()
def lab() -> None:
    """Real Kubernetes clusters on this machine, joined only by a link that stands for the internet."""


@lab.command()
@click.option("--clusters", default="east,west", show_default=True, help="Names, comma separated.")
@click.option(
    "--distinct-cidrs",
    is_flag=True,
    help="Pod and service ranges of their own for each cluster (default: the same for all).",
)
@click.option("--no-nodes", is_flag=True, help="Only the control planes: no pods, ready sooner.")
def up(*, clusters: str, distinct_cidrs: bool, no_nodes: bool) -> None:
    """Bring the clusters up."""
    folder = layout.state_dir(os.environ)
    names = [name.strip() for name in clusters.split(",")]
    made = layout.plan(folder, layout.tag(folder, os.environ), names, nodes=not no_nodes, distinct=distinct_cidrs)
    lifecycle.up(made, os.environ, say)
    click.echo(f"export KUBECONFIG={made.kubeconfig}")


@lab.command()
def build() -> None:
    """Compile Kubernetes and the lab's own programs; quick when they are in the cache."""
    click.echo(str(provision.binaries(os.environ, say)))


@lab.command()
@click.option("--quiet", is_flag=True, help="Say nothing.")
def down(*, quiet: bool) -> None:
    """Take the clusters down; nothing of them is left."""
    left = lifecycle.down(layout.here(os.environ))
    if not left and not quiet:
        say("down: nothing is left")
    if left:
        raise errors.IsthmusError(f"still there: {'; '.join(left)}", hint="isthmus lab down once more")


@lab.command("status")
def show() -> None:
    """The components of every cluster, their memory, and the state of the WAN."""
    made = current()
    for cluster in made.clusters:
        wan = "cut" if net.is_cut(made, cluster) else "up"
        click.echo(f"{cluster.name}: {cluster.wan}, WAN {wan}, pods {cluster.pods}, services {cluster.services}")
        parts = status.components(made, cluster)
        for part in parts:
            again = f", started {part.starts} times" if part.starts > 1 else ""
            click.echo(f"  {part.name:24} {part.state:8} {part.mib:6.0f} MiB{again}")
        click.echo(f"  {'together':24} {'':8} {sum(p.mib for p in parts):6.0f} MiB")


@lab.command()
@click.option("--path", is_flag=True, help="Print only where the file is.")
@click.option("--merge", is_flag=True, help="Add the contexts to your own kubeconfig; `lab down` takes them out again.")
def kubeconfig(*, path: bool, merge: bool) -> None:
    """Print the kubeconfig with a context for each cluster."""
    made = current()
    if merge:
        file = access.default_file(os.environ)
        access.merge(made, file)
        click.echo(f"contexts {', '.join(c.name for c in made.clusters)} are in {file}", err=True)
    elif path:
        click.echo(str(made.kubeconfig))
    else:
        click.echo(f"# {made.kubeconfig}", err=True)
        click.echo(made.kubeconfig.read_text(), nl=False)


@lab.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("cluster")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def kubectl(cluster: str, args: tuple[str, ...]) -> None:
    """Run kubectl against CLUSTER."""
    made = current()
    chosen = made.cluster(cluster)
    line = ["kubectl", "--kubeconfig", str(made.kubeconfig), "--context", chosen.name, *args]
    os.execv(spec.load(chosen.dir / "node.json").bin / "kubectl", line)  # noqa: S606 - a terminal needs the very process


@lab.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("where", metavar="CLUSTER|ops")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(where: str, command: tuple[str, ...]) -> None:
    """Run COMMAND inside a node, or in the network outside of the clusters (`ops`)."""
    line = status.entered(current(), where, list(command[1:] if command[0] == "--" else command))
    os.execvp(line[0], line)  # noqa: S606 - a terminal needs the very process


@lab.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=pathlib.Path))
def load(image: pathlib.Path) -> None:
    """Load an OCI archive into every node."""
    for name, said in status.load(current(), image).items():
        click.echo(f"{name}: {said}")


@lab.command()
@click.option("--load", "into", is_flag=True, help="Load them into the nodes of the running lab.")
def images(*, into: bool) -> None:
    """Build our images and print their archives and names."""
    for image in provision.images(os.environ, say):
        click.echo(f"{image.archive}  {' '.join(image.names)}")
        if into:
            for name, said in status.load(current(), image.archive).items():
                click.echo(f"  {name}: {said}")


@lab.command()
@click.argument("cluster")
def cut(cluster: str) -> None:
    """Pull the WAN cable of CLUSTER."""
    net.cut(current(), current().cluster(cluster))


@lab.command()
@click.argument("cluster")
def heal(cluster: str) -> None:
    """Put the WAN cable of CLUSTER back."""
    net.heal(current(), current().cluster(cluster))


def _verb(name: str, text: str) -> None:
    @lab.command(name, help=text)
    @click.argument("cluster")
    @click.argument("component")
    def act(cluster: str, component: str) -> None:  # pyright: ignore[reportUnusedFunction]
        said = status.command(current().cluster(cluster), name, component)
        click.echo(f"{cluster}: {component} {said[component]['state']}")


_verb("stop", "End COMPONENT of CLUSTER and keep it down.")
_verb("start", "Start COMPONENT again, or let it go on.")
_verb("kill", "Kill COMPONENT; it is started again after a second.")
_verb("pause", "Freeze COMPONENT until `start`.")


def main() -> int:
    """For `python -m isthmus.cli.lab`, the lab alone."""
    try:
        lab.main(standalone_mode=False, prog_name="isthmus lab")
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except errors.IsthmusError as error:
        click.echo(str(error), err=True)
        return error.code
    return 0


if __name__ == "__main__":
    sys.exit(main())
