"""`isthmus dashboard`. In: contexts, a port. Out: the dashboard on this machine, until Ctrl-C; its address on stdout.

Never here: what it shows (see `isthmus.dashboard`).
"""

import asyncio
import contextlib
import signal
import socket
import webbrowser

import click

from isthmus import logs
from isthmus.cli import output
from isthmus.cli import scope as scopes
from isthmus.cli.viz import several
from isthmus.dashboard import clusters, files, run
from isthmus.errors import BadValue

LOOPBACK = "127.0.0.1"


@click.command()
@click.option("--port", default=0, show_default=True, help="The port on 127.0.0.1; 0 takes any that is free.")
@click.option("--all-clusters", "every", is_flag=True, help="Every context of the kubeconfig.")
@click.option("--no-open", is_flag=True, help="Print the address, open no browser.")
@scopes.flags
def dashboard(*, port: int, every: bool, no_open: bool, scope: scopes.Scope) -> int:
    """The dashboard, on this machine, with your own rights: of one cluster or, with --context east,west, of several together."""
    if not 0 <= port <= 65535:
        raise BadValue("--port", port, "8084")
    sock = run.listen(LOOPBACK, port)
    room = clusters.room(several.asked(scope, every=every), clusters.Spaces(scope.control_ns))
    address = f"http://{LOOPBACK}:{sock.getsockname()[1]}/"
    shown = ", ".join(c.name for c in room.clusters)
    click.echo(address)
    output.say(f"the dashboard of {shown}; Ctrl-C ends it")
    if not files.read().built:
        output.say(files.MISSING.splitlines()[0] + ": make web builds it; /api answers without")
    elif not no_open:
        webbrowser.open(address)
    asyncio.run(_until_told(room, sock))
    return 0


async def _until_told(room: clusters.Room, sock: socket.socket) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with contextlib.suppress(asyncio.CancelledError):
        await run.alone(room, sock, logs.setup("warning", "plain", "dashboard"), stop)
