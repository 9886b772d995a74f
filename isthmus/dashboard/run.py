"""The process `isthmus control web`, and the same backend on a person's machine. In: options. Out: a server until it is told to stop.

In a cluster it shows that cluster, and each viewer what their own Kubernetes token lets them see; with `--open` everybody sees what the
process's own account may, and nobody changes anything. On a machine (`isthmus dashboard`) it is bound to loopback and works with the
rights of the caller's kubeconfig. Never here: what is answered (see `app`).
"""

import argparse
import asyncio
import datetime as dt
import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

import prometheus_client

from isthmus import logs, names
from isthmus.dashboard import app, clusters, files, guard, live, login, tap
from isthmus.errors import BadValue
from isthmus.kube import access
from isthmus.serve import runtime, web

PORT, ADMIN_PORT = 8084, 9994
SWEEP = 60.0
BACKLOG = 128
IN_CLUSTER_HOSTS = r"^(localhost|127\.0\.0\.1|\[::1\]|web(\.{ns}(\.svc(\.cluster\.local)?)?)?)(:\d+)?$"


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told. `hosts` is a regular expression for the Host header."""

    port: int = PORT
    admin_port: int = ADMIN_PORT
    namespace: str = names.VIZ_NS
    control_ns: str = names.CONTROL_NS
    cluster_name: str = "here"
    hosts: str = ""
    open: bool = False
    log_level: str = "info"

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        parser = argparse.ArgumentParser(prog="isthmus control web")
        parser.add_argument("--port", type=int, default=PORT)
        parser.add_argument("--admin-port", type=int, default=ADMIN_PORT)
        parser.add_argument("--namespace", default=names.VIZ_NS, help="where the metrics API is")
        parser.add_argument("--control-namespace", dest="control_ns", default=names.CONTROL_NS)
        parser.add_argument("--cluster-name", default="here", help="what the page calls this cluster")
        parser.add_argument(
            "--enforced-host", dest="hosts", default="", help="a regular expression for the Host header"
        )
        parser.add_argument(
            "--open",
            action="store_true",
            help="no login: everybody sees what this account may, nobody changes anything",
        )
        parser.add_argument("--log-level", default="info")
        return cls(**vars(parser.parse_args(list(arguments))))

    @property
    def spaces(self) -> clusters.Spaces:
        return clusters.Spaces(self.control_ns, self.namespace)


def main(options: Options) -> int:
    """Runs until it is told to stop."""

    async def start(process: runtime.Runtime) -> None:
        await start_in_cluster(process, options)

    return runtime.main("web", start, admin_port=options.admin_port, log_level=options.log_level)


async def start_in_cluster(process: runtime.Runtime, options: Options) -> None:
    """Wire the parts for the cluster around this pod; returns once it listens."""
    here = access.load()
    pattern = host_pattern(options.hosts or IN_CLUSTER_HOSTS.replace("{ns}", re.escape(options.namespace)))
    hub = live.Hub(lambda work: process.spawn(work, name="page"), live.Meters(process.registry), process.log)

    def enter(token: str = "") -> clusters.Room:
        return clusters.room([here], options.spaces, name=options.cluster_name, token=token)

    own = enter() if options.open else None
    logins = None if options.open else login.Logins(enter, time.monotonic, busy=hub.busy, ended=hub.end)
    backend = app.Backend(hub, files.read(), own, logins, may_write=False, place="cluster", now=_now)
    serve(process, backend, pattern, listen("", options.port))
    if logins is not None:
        process.spawn(_sweep(logins), name="sweep")
        process.closing_last(logins.close)
    if own is not None:
        process.closing_last(own.close)


def serve(process: runtime.Runtime, backend: app.Backend, hosts: re.Pattern[str], sock: socket.socket) -> None:
    """Answer on a listening socket for the life of the process."""
    refused = backend.hub.meters.refused
    gate = guard.Guard(app.app(backend, tap.routes(backend)), hosts, lambda status: refused.labels(str(status)).inc())
    process.spawn(web.plain(gate, sock), name="web")


def on_machine(process: runtime.Runtime, room: clusters.Room, sock: socket.socket) -> app.Backend:
    """The same backend on a person's machine: with their rights, for loopback alone. Closes `room` at the end."""
    hub = live.Hub(lambda work: process.spawn(work, name="page"), live.Meters(process.registry), process.log)
    backend = app.Backend(hub, files.read(), room, None, may_write=True, place="machine", now=_now)
    serve(process, backend, host_pattern(guard.LOCAL), sock)
    process.closing_last(room.close)
    return backend


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; "" is all addresses of a pod, of both families where there are two.

    Raises:
        BadValue: the port cannot be had.
    """
    both = not host and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if both else socket.AF_INET, backlog=BACKLOG, dualstack_ipv6=both
        )
    except OSError as error:
        raise BadValue(
            "--port", port, "--port 0, which takes any that is free", why=error.strerror or str(error)
        ) from error


def host_pattern(text: str) -> re.Pattern[str]:
    """The expression that a Host header must match.

    Raises:
        BadValue: it is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise BadValue("--enforced-host", text, guard.LOCAL, why=f"not a regular expression: {error}") from error


async def _sweep(logins: login.Logins) -> None:
    while True:
        await asyncio.sleep(SWEEP)
        await logins.sweep()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


async def alone(room: clusters.Room, sock: socket.socket, log: logs.Logger, stop: asyncio.Event) -> None:
    """The backend for `isthmus dashboard`: no admin port, ends when `stop` is set."""
    async with asyncio.TaskGroup() as group:
        process = runtime.Runtime(group, log, prometheus_client.CollectorRegistry())
        on_machine(process, room, sock)
        await stop.wait()
        process.stop()
        await process.drain()
