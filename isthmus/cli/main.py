"""The program `isthmus`. In: the words of a command line. Out: an exit code; refusals become a sentence and a hint on stderr.

A command's module is imported when its word is said, never before, so that `isthmus --help` starts in a blink.
Never here: what a command does.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from isthmus import errors
from isthmus.cli import menu
from isthmus.cli import scope as scopes

COMMANDS: dict[str, tuple[str, str]] = {
    "install": ("isthmus.cli.mesh:install", "Put the control plane and the gateway into a cluster."),
    "upgrade": ("isthmus.cli.mesh:upgrade", "Bring an installed cluster to this version or to other values."),
    "uninstall": ("isthmus.cli.mesh:uninstall", "Take everything of ours out of a cluster."),
    "inject": ("isthmus.cli.mesh:inject", "Mesh the workloads in YAML."),
    "uninject": ("isthmus.cli.mesh:uninject", "Take the mesh out of YAML."),
    "check": ("isthmus.cli.checks:check", "Is the mesh well? What to do where it is not."),
    "stat": ("isthmus.cli.see.stat:stat", "Success, rate and latencies of workloads, Services, namespaces."),
    "stat-inbound": ("isthmus.cli.see.traffic:inbound", "What resources were asked, by Server and route."),
    "stat-outbound": ("isthmus.cli.see.traffic:outbound", "What resources asked others, and which backends answered."),
    "routes": ("isthmus.cli.see.routes:routes", "Success, rate and latencies of each route."),
    "edges": ("isthmus.cli.see.edges:edges", "Who is connected to whom, and is it mTLS."),
    "gateways": ("isthmus.cli.see.gateways:gateways", "The gateways of linked clusters, as Prometheus measured them."),
    "authz": ("isthmus.cli.see.authz:authz", "Who was let in by what, and what was refused."),
    "tap": ("isthmus.cli.live.tap:tap", "Live requests; with --join through all their proxies, across clusters."),
    "top": ("isthmus.cli.live.top:top", "Live requests, summed up by who, whom and what."),
    "trace": ("isthmus.cli.live.tap:trace", "One request through all its proxies, drawn."),
    "profile": ("isthmus.cli.live.profile:profile", "A ServiceProfile to start from."),
    "list": ("isthmus.cli.see.pods:listed", "Meshed pods, and whether their requests can be tapped."),
    "link": ("isthmus.cli.clusters:link", "Let one cluster call the exported Services of another."),
    "unlink": ("isthmus.cli.clusters:unlink", "Take a link away, with all it made."),
    "dashboard": ("isthmus.cli.dashboard:dashboard", "All of it in a browser, of one cluster or several."),
    "multicluster": ("isthmus.cli.multicluster:multicluster", "Links, gateways and credentials one by one."),
    "viz": ("isthmus.cli.viz.group:viz", "What happens in the mesh: the extension that measures it."),
    "lab": ("isthmus.cli.lab:lab", "Two real clusters on this machine."),
    "demo": ("isthmus.cli.demo:demo", "The main job, shown live."),
    "version": ("isthmus.cli.version:version", "Versions of this program and of the control plane."),
    "completion": ("isthmus.cli.version:completion", "Shell completion for bash, zsh or fish."),
    "control": ("isthmus.cli.control:control", "The processes of the control plane."),
}
"""Word -> (where it is written, one sentence). One row per command: the list people see and the list that runs are the same."""

HIDDEN = frozenset({"control"})


class Root(menu.Menu):
    """The whole program: a reader that leaves is no failure of it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            outcome = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            return menu.let_go()
        return outcome


@click.group(cls=Root, rows=COMMANDS, hidden_words=HIDDEN, context_settings={"help_option_names": ["-h", "--help"]})
@scopes.options
@click.pass_context
def root(
    ctx: click.Context,
    context: str | None,
    kubeconfig: str | None,
    control_ns: str | None,
    verbose: bool,  # noqa: FBT001 (click names what it passes)
) -> None:
    """A service mesh that joins Kubernetes clusters.

    Three commands link two clusters:

    \b
      isthmus install --apply --context east
      isthmus install --apply --context west
      isthmus link east west --apply
    """
    ctx.obj = scopes.merge(scopes.Scope(), context, kubeconfig, control_ns, verbose=verbose)
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code (0 well, 1 refused, 2 wrong usage, 3 no answer, 130 interrupted)."""
    try:
        outcome = root.main(
            args=None if arguments is None else list(arguments), prog_name="isthmus", standalone_mode=False
        )
        sys.stdout.flush()
    except errors.IsthmusError as refused:
        if "--verbose" in (sys.argv if arguments is None else arguments):
            traceback.print_exc()
        click.echo(f"{click.style('error:', fg='red')} {refused}", err=True)
        return refused.code
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        return menu.let_go()
    return outcome if isinstance(outcome, int) else 0


if __name__ == "__main__":
    sys.exit(main())
