"""Gives LoadBalancer Services an address on the WAN, as a cloud would: `python -m isthmus.lab.node.addresses SPEC`, a component of a node.

In: a watch of all Services. Out: addresses 10.99.INDEX.1 to .254 on the node's `wan0`, each in the status of the Service that has it;
kube-proxy does the rest. What was given is read back from the Services and the interface, so a restart changes nothing.
Never here: a Service that names a `loadBalancerClass` (somebody else's). Limit: 254; further Services wait, with one line in the log.
"""

import asyncio
import dataclasses
import ipaddress
import json
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from lightkube.resources.core_v1 import Service

from isthmus import errors, names
from isthmus.kube import access, client, store, watch
from isthmus.lab import layout
from isthmus.lab.node import spec

MOST = 254
AGAIN_AFTER = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """A Service as far as it matters here: whether it wants an address of ours, and the one its status names ("" for none)."""

    key: names.Key
    wants: bool
    has: str


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to do: statuses to write ("" clears), addresses to put on the interface and to take off, Services that have to wait."""

    write: Mapping[names.Key, str]
    add: frozenset[str]
    remove: frozenset[str]
    waiting: tuple[names.Key, ...]


def plan(services: Iterable[Seen], on_interface: frozenset[str], pool: list[str]) -> Plan:
    """The step from what is to what should be. A Service keeps the address it has while that is of the pool and no other's."""
    ordered = sorted(services, key=lambda seen: (not seen.has, str(seen.key)))
    given: dict[str, names.Key] = {}
    write: dict[names.Key, str] = {}
    waiting: list[names.Key] = []
    free = iter(pool)
    ours = frozenset(pool)
    for seen in ordered:
        if not seen.wants:
            if seen.has in ours:
                write[seen.key] = ""
            continue
        address = seen.has if seen.has in ours and seen.has not in given else ""
        if not address:
            kept = {other.has for other in ordered if other.wants}
            address = next((a for a in free if a not in given and a not in kept), "")
            if not address:
                waiting.append(seen.key)
                if seen.has in ours:  # another one's
                    write[seen.key] = ""
                continue
            write[seen.key] = address
        given[address] = seen.key
    return Plan(write, frozenset(given) - on_interface, (on_interface & ours) - frozenset(given), tuple(waiting))


def seen(service: Service) -> Seen:
    """Read a Service from the watch."""
    meta, said, status = service.metadata, service.spec, service.status
    if meta is None or meta.name is None or meta.namespace is None:
        raise ValueError("a Service without a name, which no API server sends")
    wants = (
        said is not None
        and said.type == "LoadBalancer"
        and not said.loadBalancerClass
        and meta.deletionTimestamp is None
    )
    ingress = (status.loadBalancer.ingress or []) if status and status.loadBalancer else []
    return Seen(names.Key(meta.namespace, meta.name), wants, (ingress[0].ip or "") if ingress else "")


class Balancer:
    """Carries plans out, one at a time."""

    def __init__(self, cluster: layout.Cluster, api: client.Client, services: store.Store[Service]) -> None:
        self._api, self._services = api, services
        self._pool = [cluster.balancer(n) for n in range(1, MOST + 1)]
        self._changed = asyncio.Event()
        self._told: tuple[names.Key, ...] = ()
        services.subscribe(lambda _: self._changed.set())

    async def run(self) -> None:
        """Reconcile at every change, and again a second after a failure; never returns."""
        await self._services.wait_synced()
        while True:
            self._changed.clear()
            try:
                await self._reconcile()
            except (errors.IsthmusError, OSError, subprocess.SubprocessError) as error:
                print(f"not done, again in {AGAIN_AFTER} s: {error}", flush=True)
                await asyncio.sleep(AGAIN_AFTER)
                continue
            await self._changed.wait()

    async def _reconcile(self) -> None:
        step = plan([seen(s) for s in self._services.values()], on_interface(), self._pool)
        for address in step.add:
            await _ip("replace", address)
        for key, address in step.write.items():
            ingress: list[dict[str, Any]] = [{"ip": address}] if address else []
            await self._api.patch_status(
                Service, key.name, {"status": {"loadBalancer": {"ingress": ingress}}}, key.namespace
            )
            print(f"{key}: {address or 'address taken back'}", flush=True)
        for address in step.remove:
            await _ip("del", address)
        if step.waiting and step.waiting != self._told:
            print(f"all {MOST} addresses are given; waiting: {', '.join(map(str, step.waiting))}", flush=True)
        self._told = step.waiting


def on_interface() -> frozenset[str]:
    """The /32 addresses of `wan0`."""
    said = subprocess.run(
        ["ip", "-json", "-4", "addr", "show", "dev", "wan0"], check=True, capture_output=True, text=True
    ).stdout
    listed = [entry for link in json.loads(said) for entry in link.get("addr_info", [])]
    return frozenset(str(ipaddress.ip_address(e["local"])) for e in listed if e.get("prefixlen") == 32)


async def _ip(verb: str, address: str) -> None:
    child = await asyncio.create_subprocess_exec("ip", "addr", verb, f"{address}/32", "dev", "wan0")
    if await child.wait():
        raise OSError(f"ip addr {verb} {address} ended with {child.returncode}")


async def serve(cluster: layout.Cluster) -> None:
    """Watch and give, until ended."""
    api = client.Client(access.load(kubeconfig=str(cluster.admin)))
    services: store.Store[Service] = store.Store("Service")
    async with asyncio.TaskGroup() as group:
        group.create_task(watch.Reflector(api, Service, services).run())
        group.create_task(Balancer(cluster, api, services).run())


if __name__ == "__main__":
    asyncio.run(serve(spec.load(pathlib.Path(sys.argv[1])).cluster))
