"""`isthmus viz`: the extension itself, and every word that shows traffic as Linkerd's users type it. Never here: what a word does."""

import click

from isthmus.cli import main, menu

OWN: menu.Rows = {
    "install": ("isthmus.cli.viz.install:install", "Put Prometheus, the metrics API and tap into a cluster."),
    "upgrade": ("isthmus.cli.viz.install:upgrade", "Bring the extension to this version or to other values."),
    "uninstall": ("isthmus.cli.viz.install:uninstall", "Take the extension out of a cluster."),
    "check": ("isthmus.cli.checks:of_viz", "Is the extension well? What to do where it is not."),
}
"""Words of the extension alone."""
SEEING = (
    "stat",
    "stat-inbound",
    "stat-outbound",
    "routes",
    "edges",
    "gateways",
    "authz",
    "list",
    "profile",
    "top",
    "tap",
    "trace",
    "dashboard",
)
"""Words of the whole program that may be said after `viz` too, as far as the program has them."""


@click.group(cls=menu.Menu, rows={**OWN, **{word: main.COMMANDS[word] for word in SEEING if word in main.COMMANDS}})
def viz() -> None:
    """The extension that measures the mesh, and the words that show it: `isthmus viz stat` is `isthmus stat`."""
