"""The process `isthmus control destination`: gRPC on 8086, admin on 9996. In: options, watches. Out: an exit code.

The port opens once every watch has brought a whole list, so that no proxy is ever told of half a cluster; a definition that is not
installed counts as an empty list. Never here: choices. Limits: one watch a kind; views are swept each SWEEP seconds.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import prometheus_client
from lightkube.resources.core_v1 import Node, Pod, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names, units
from isthmus.destination import api, world
from isthmus.errors import BadValue
from isthmus.kube import access, crds, store, watch
from isthmus.kube import client as kube
from isthmus.serve import plane, runtime, topics

ADMIN_PORT = 9996
SWEEP = 30.0
MODES = ("transport-header", "transparent")


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told."""

    control_ns: str = names.CONTROL_NS
    cluster_domain: str = names.CLUSTER_DOMAIN
    trust_domain: str = names.CLUSTER_DOMAIN
    opaque_ports: str = names.OPAQUE_PORTS
    transport: str = MODES[0]
    h2_upgrade: bool = True
    ipv6: bool = False
    port: int = names.DESTINATION_PORT
    admin_port: int = ADMIN_PORT
    log_level: str = "info"

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        """Reads `isthmus control destination`'s flags."""
        usual = cls()
        parser = argparse.ArgumentParser(prog="isthmus control destination")
        parser.add_argument("--control-namespace", dest="control_ns", default=usual.control_ns)
        parser.add_argument("--cluster-domain", default=usual.cluster_domain)
        parser.add_argument("--trust-domain", default=usual.trust_domain)
        parser.add_argument(
            "--default-opaque-ports",
            dest="opaque_ports",
            default=usual.opaque_ports,
            help="ports opaque where nobody says",
        )
        parser.add_argument(
            "--transport", choices=MODES, default=usual.transport, help="how proxies reach opaque ports"
        )
        parser.add_argument("--no-h2-upgrade", dest="h2_upgrade", action="store_false")
        parser.add_argument("--ipv6", action="store_true", help="prefer IPv6 endpoints where a pod has both")
        parser.add_argument("--port", type=int, default=usual.port)
        parser.add_argument("--admin-port", type=int, default=usual.admin_port)
        parser.add_argument("--log-level", default=usual.log_level)
        return cls(**vars(parser.parse_args(list(arguments))))

    def mesh(self) -> world.Mesh:
        """The part the index needs, checked.

        Raises:
            BadValue: the opaque ports cannot be read.
        """
        return world.Mesh(
            control_ns=self.control_ns,
            cluster_domain=self.cluster_domain,
            trust_domain=self.trust_domain,
            opaque=units.ports(self.opaque_ports, key="--default-opaque-ports"),
            transport_header=self.transport == MODES[0],
            h2_upgrade=self.h2_upgrade,
            ipv6=self.ipv6,
        )


def feeds(known: world.World) -> list[plane.Feed]:
    """Which collection goes where in the world."""
    return [
        (Service, False, known.put_service, known.drop_service),
        (EndpointSlice, False, known.put_slice, known.drop_slice),
        (Pod, False, known.put_pod, known.drop_pod),
        (Node, False, known.put_node, known.drop_node),
        (crds.Server, True, known.put_server, known.drop_server),
        (crds.ServiceProfile, True, known.put_profile, known.drop_profile),
        (crds.TrafficSplit, True, known.put_split, known.drop_split),
        *plane.routes(known, crds.ROUTES),
    ]


def main(options: Options) -> int:
    """Runs until it is told to stop.

    Raises:
        BadValue: an option cannot be read.
    """
    mesh = options.mesh()
    if not 0 <= options.port <= 65535:
        raise BadValue("--port", options.port, str(names.DESTINATION_PORT))

    async def start(process: runtime.Runtime) -> None:
        await wire(process, options, mesh, kube.Client(access.load()))

    return runtime.main("destination", start, admin_port=options.admin_port, log_level=options.log_level)


async def wire(process: runtime.Runtime, options: Options, mesh: world.Mesh, client: kube.Client) -> plane.Serving:
    """Watches into the world, the world into streams; returns at once, with the server that will be."""
    known, board = world.World(mesh), topics.Board()
    spoken = api.Api(known, board, time.monotonic)
    stores: list[store.Store[Any]] = []
    oldest: list[watch.Reflector[Any]] = []
    for kind, optional, put, drop in feeds(known):
        kept: store.Store[Any] = store.Store(kind.__name__)
        topics.follow(kept, board, put, drop)
        reflector = watch.Reflector(client, kind, kept, optional=optional)
        process.spawn(reflector.run(), name=f"watch {kind.__name__}")
        process.ready_when(f"watch {kind.__name__}", lambda kept=kept: kept.synced)
        stores.append(kept)
        oldest.append(reflector)
    measure(process.registry, known, board, spoken, oldest)
    serving = plane.open_when_synced(process, stores, [spoken.service()], options.port)
    process.spawn(plane.complain(process, known), name="complaints")
    process.spawn(_tidy(spoken), name="tidy")
    process.closing_last(client.close)
    return serving


async def _tidy(spoken: api.Api) -> None:
    """Forgets views nobody uses."""
    while True:
        await asyncio.sleep(SWEEP)
        spoken.views.sweep(time.monotonic())


def measure(
    registry: prometheus_client.CollectorRegistry,
    known: world.World,
    board: topics.Board,
    spoken: api.Api,
    watches: Iterable[watch.Reflector[Any]],
) -> None:
    """Gauges, read when asked."""
    rows: list[tuple[str, str, Callable[[], float]]] = [
        ("destination_services", "Services known", lambda: len(known.services)),
        ("destination_pods", "Pods known", lambda: len(known.pods)),
        ("destination_views", "snapshots shared by streams", lambda: len(spoken.views)),
        ("destination_streams", "open Get streams", lambda: spoken.views.streams),
        ("destination_members", "streams and views that wait for news", lambda: board.size),
        ("destination_watch_age_seconds", "since the API server was last heard", lambda: max(w.age() for w in watches)),
    ]
    plane.gauges(registry, rows)
