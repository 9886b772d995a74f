"""`isthmus viz`: its words, by the names Linkerd's users type. Never here: what they do."""

import click

from isthmus.cli.viz import install


@click.group()
def viz() -> None:
    """What happens in the mesh: the extension that measures it."""


viz.add_command(install.install)
viz.add_command(install.upgrade)
viz.add_command(install.uninstall)
