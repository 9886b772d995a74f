"""`isthmus control ROLE ...`: the processes of the control plane, as their containers start them. In: a role and its own flags.

Out: the process's exit code. A role's flags are read by its room's `run.Options.from_args`; `isthmus control ROLE --help` lists them.
Never here: flags, defaults, anything a person types by hand.
"""

import importlib
from typing import Any

import click

ROLES: dict[str, tuple[str, str]] = {
    "identity": ("isthmus.identity.run", "Certificates for proxies."),
    "destination": ("isthmus.destination.run", "Where a name leads, and how its endpoints are spoken to."),
    "policy": ("isthmus.policy.run", "Who may speak to whom, and how requests are routed."),
    "injector": ("isthmus.inject.run", "The webhook that meshes pods."),
    "metrics-api": ("isthmus.viz.run", "What happened in the mesh, from Prometheus."),
    "web": ("isthmus.dashboard.run", "The dashboard."),
    "tap": ("isthmus.tap.run", "Live requests, for those who may see them."),
    "service-mirror": ("isthmus.multicluster.run", "Services of linked clusters."),
}
"""Role -> (the room's shell, one sentence)."""


class Roles(click.Group):
    """A group whose commands are rows of a table; a role's room is imported when it is started."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ROLES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = ROLES.get(cmd_name)
        if row is None:
            return None

        def start(arguments: tuple[str, ...]) -> int:
            room: Any = importlib.import_module(row[0])
            return int(room.main(room.Options.from_args(arguments)))

        words = click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)
        settings = {"ignore_unknown_options": True}
        return click.Command(
            cmd_name,
            context_settings=settings,
            params=[words],
            callback=start,
            short_help=row[1],
            help=row[1],
            add_help_option=False,
        )


@click.group(cls=Roles)
def control() -> None:
    """The processes of the control plane."""
