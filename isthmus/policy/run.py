"""The process `isthmus control policy`: gRPC on 8090, admin on 9990. In: options, watches. Out: an exit code.

The port opens once every watch has brought a whole list. The holder of Lease `policy-controller-write` tells routes' owners what became
of them; all replicas answer proxies. Never here: choices. Limits: one status write at a time, WRITE seconds each; a pass each PASS
seconds, and after changes at most one in PAUSE.
"""

import argparse
import asyncio
import ipaddress
import os
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import prometheus_client
from lightkube.resources.core_v1 import Pod, Service

from isthmus import knobs, names, units
from isthmus.errors import BadValue, IsthmusError
from isthmus.kube import access, crds, lease, store, watch
from isthmus.kube import client as kube
from isthmus.policy import api, authz, status, world
from isthmus.serve import latest, plane, runtime, topics

ADMIN_PORT = 9990
LEASE = "policy-controller-write"
PASS, PAUSE, WRITE = 10.0, 0.2, 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told. `holder` is the name it signs the Lease with."""

    control_ns: str = names.CONTROL_NS
    cluster_domain: str = names.CLUSTER_DOMAIN
    trust_domain: str = names.CLUSTER_DOMAIN
    cluster_networks: str = names.CLUSTER_NETWORKS
    default_policy: str = knobs.INBOUND_POLICIES[0]
    opaque_ports: str = names.OPAQUE_PORTS
    port: int = names.POLICY_PORT
    admin_port: int = ADMIN_PORT
    log_level: str = "info"
    holder: str = ""

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        """Reads `isthmus control policy`'s flags."""
        parser = argparse.ArgumentParser(prog="isthmus control policy")
        parser.add_argument("--control-namespace", dest="control_ns", default=names.CONTROL_NS)
        parser.add_argument("--cluster-domain", default=names.CLUSTER_DOMAIN)
        parser.add_argument("--trust-domain", default=names.CLUSTER_DOMAIN)
        parser.add_argument("--cluster-networks", default=names.CLUSTER_NETWORKS, help="addresses of pods and Services")
        parser.add_argument("--default-policy", choices=knobs.INBOUND_POLICIES, default=knobs.INBOUND_POLICIES[0])
        parser.add_argument("--default-opaque-ports", dest="opaque_ports", default=names.OPAQUE_PORTS)
        parser.add_argument("--port", type=int, default=names.POLICY_PORT)
        parser.add_argument("--admin-port", type=int, default=ADMIN_PORT)
        parser.add_argument("--log-level", default="info")
        parser.add_argument("--holder", default=os.environ.get("HOSTNAME") or socket.gethostname())
        return cls(**vars(parser.parse_args(list(arguments))))

    def mesh(self) -> world.Mesh:
        """The part the index needs, checked.

        Raises:
            BadValue: ports or networks cannot be read.
        """
        return world.Mesh(
            control_ns=self.control_ns,
            cluster_domain=self.cluster_domain,
            trust_domain=self.trust_domain,
            opaque=units.ports(self.opaque_ports, key="--default-opaque-ports"),
            networks=tuple(_network(text) for text in filter(None, self.cluster_networks.split(","))),
            inbound_policy=self.default_policy,
        )


def _network(text: str) -> authz.Network:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        raise BadValue("--cluster-networks", text, "10.0.0.0/8,fd00::/8", why="not a network") from None


def feeds(known: world.World) -> list[plane.Feed]:
    """Which collection goes where in the world."""
    return [
        (Service, False, known.put_service, known.drop_service),
        (Pod, False, known.put_pod, known.drop_pod),
        (crds.Server, True, known.put_server, known.drop_server),
        (crds.AuthorizationPolicy, True, known.put_policy, known.drop_policy),
        (crds.ServerAuthorization, True, known.put_older, known.drop_older),
        (crds.MeshTLSAuthentication, True, known.put_clients, known.drop_clients),
        (crds.NetworkAuthentication, True, known.put_nets, known.drop_nets),
        (crds.HTTPLocalRateLimitPolicy, True, known.put_limit, known.drop_limit),
        (crds.TrafficSplit, True, known.put_split, known.drop_split),
        *plane.routes(known, crds.ROUTES),
    ]


def main(options: Options) -> int:
    """Runs until it is told to stop.

    Raises:
        BadValue: an option cannot be read.
    """
    mesh = options.mesh()

    async def start(process: runtime.Runtime) -> None:
        await wire(process, options, mesh, kube.Client(access.load()))

    return runtime.main("policy", start, admin_port=options.admin_port, log_level=options.log_level)


async def wire(process: runtime.Runtime, options: Options, mesh: world.Mesh, client: kube.Client) -> plane.Serving:
    """Watches into the world, the world into streams; returns at once, with the server that will be."""
    known, board = world.World(mesh), topics.Board()
    spoken = api.Api(known, board)
    stores: dict[type[Any], store.Store[Any]] = {}
    watches: list[watch.Reflector[Any]] = []
    for kind, optional, put, drop in feeds(known):
        kept = stores[kind] = store.Store(kind.__name__)
        topics.follow(kept, board, put, drop)
        labels = names.CONTROL_PLANE_NS_LABEL if kind is Pod else None  # a pod without proxy asks nothing
        reflector = watch.Reflector(client, kind, kept, optional=optional, labels=labels)
        process.spawn(reflector.run(), name=f"watch {kind.__name__}")
        process.ready_when(f"watch {kind.__name__}", lambda kept=kept: kept.synced)
        watches.append(reflector)
    writer = Writer(process, client, known, stores)
    _measure(process.registry, known, spoken, watches)
    serving = plane.open_when_synced(process, stores.values(), spoken.services(), options.port)
    process.spawn(plane.complain(process, known), name="complaints")
    process.spawn(_elect(options, client, stores.values(), writer), name="status")
    process.closing_last(client.close)
    return serving


async def _elect(options: Options, client: kube.Client, stores: Iterable[store.Store[Any]], writer: "Writer") -> None:
    await plane.synced(stores)
    await lease.hold(client, LEASE, options.control_ns, options.holder, writer.run, ttl=30.0)


@dataclass(slots=True)
class Writer:
    """Keeps the status of routes right while the Lease is held."""

    process: runtime.Runtime
    client: kube.Client
    known: world.World
    stores: Mapping[type[Any], store.Store[Any]]
    wake: latest.Wake = field(default_factory=latest.Wake)

    def __post_init__(self) -> None:
        for kind in (Service, crds.Server, *(row[0] for row in crds.ROUTES)):
            self.stores[kind].subscribe(lambda _: self.wake.ring())

    async def run(self) -> None:
        """Looks at all routes after changes and now and then; ends only when cancelled."""
        while True:
            await self.write_all()
            await asyncio.sleep(PAUSE)
            try:
                async with asyncio.timeout(PASS):
                    await self.wake.wait()
            except TimeoutError:
                continue

    async def write_all(self) -> None:
        """One pass: writes only what differs. A failure costs that route until the next pass."""
        for kind, group, word in crds.ROUTES:
            for obj in list(self.stores[kind].values()):
                now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                parents = status.wanted(self.known, group, word, obj, now)
                if parents is not None:
                    await self._write(kind, obj, parents)

    async def _write(self, kind: type[crds.Custom], obj: crds.Custom, parents: list[status.Entry]) -> None:
        key = status.place(obj)
        try:
            async with asyncio.timeout(WRITE):
                await self.client.patch_status(kind, key.name, status.patch(obj, parents), key.namespace)
        except (IsthmusError, TimeoutError) as error:
            self.process.log.warning("status not written", route=str(key), kind=kind.__name__, error=str(error))


def _measure(
    registry: prometheus_client.CollectorRegistry,
    known: world.World,
    spoken: api.Api,
    watches: Iterable[watch.Reflector[Any]],
) -> None:
    """Gauges, read when asked."""
    rows: list[tuple[str, str, Callable[[], float]]] = [
        ("policy_services", "Services known", lambda: len(known.services)),
        ("policy_pods", "meshed Pods known", lambda: len(known.pods)),
        ("policy_streams", "open streams", lambda: spoken.streams),
        ("policy_watch_age_seconds", "since the API server was last heard", lambda: max(w.age() for w in watches)),
    ]
    plane.gauges(registry, rows)
