"""Which key is next, and how an action becomes a write. In: keys that may be stale; actions of `plan`. Out: calls to the source's API.

`Queue` holds keys, never objects: a retry re-reads and works on today's state. `carry_out` binds each write to what was seen:
an update to its version, a delete to its uid and version, so that an object replaced in between is left alone (the API answers 409).
Never here: what to do (see `plan`), conditions (see `status`).
Limits: a queue holds each key once, so it is as long as the Link has Services; a key waits at most BACKOFF_MAX seconds.
"""

import asyncio
import random
from typing import Any

from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.discovery_v1 import Endpoint, EndpointConditions, EndpointPort
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Namespace, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names
from isthmus.kube import client as kube
from isthmus.multicluster import plan, world

BACKOFF_MIN = 0.05
"""After the first failure: most are a watch that is a moment behind our own write."""
BACKOFF_MAX = 30.0


class Queue:
    """Keys to look at, each at most once at a time; a key added while it is worked on is worked on again."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._due: dict[names.Key, None] = {}
        self._busy: dict[names.Key, bool] = {}
        self._tries: dict[names.Key, int] = {}
        self._timers: dict[names.Key, asyncio.TimerHandle] = {}
        self._some = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        """Keys due or being worked on; those that wait for a retry are not counted."""
        return len(self._due) + len(self._busy)

    def add(self, *keys: names.Key) -> None:
        """Makes keys due, now."""
        for key in keys:
            if key in self._busy:
                self._busy[key] = True
            else:
                self._due[key] = None
        if self._due:
            self._some.set()
            self._idle.clear()

    async def take(self) -> names.Key:
        """The key that is due longest; the caller owes a `done`."""
        while not self._due:
            self._some.clear()
            await self._some.wait()
        key = next(iter(self._due))
        del self._due[key]
        self._busy[key] = False
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()
        return key

    def done(self, key: names.Key, *, failed: bool = False) -> None:
        """Gives a key back. A failed one comes again after a delay that doubles, without end, up to BACKOFF_MAX."""
        again = self._busy.pop(key)
        if failed:
            tries = self._tries[key] = self._tries.get(key, 0) + 1
            delay = min(BACKOFF_MAX, BACKOFF_MIN * 2 ** min(tries - 1, 16)) * self._dice.uniform(0.75, 1.25)
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._retry, key)
        else:
            self._tries.pop(key, None)
            if again:
                self.add(key)
        if not self._due and not self._busy:
            self._idle.set()

    def _retry(self, key: names.Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def wait_idle(self) -> None:
        """Returns once nothing is due and nothing is being worked on."""
        await self._idle.wait()

    def close(self) -> None:
        """Drops every timer."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()


async def carry_out(client: kube.Client, action: plan.Action, source: world.Source) -> None:
    """Writes one action to the API and its outcome into `source`, ahead of the watch that will tell the same.

    Raises:
        ApiError: the API refused; 404 on a delete is not an error.
        Unreachable: it did not answer.
    """
    if action.verb == "delete":
        await _delete(client, action)
        (source.drop_service if action.kind == "Service" else source.drop_slice)(action.key)
    elif action.kind == "Namespace":
        await client.create(
            Namespace(metadata=ObjectMeta(name=action.key.name, labels={names.PART_OF_LABEL: names.PART_OF}))
        )
        source.namespaces[action.key.name] = True
    elif isinstance(action.want, world.Slice):
        made = endpoint_slice(action.want, action.have)
        stored = await (client.create(made) if action.verb == "create" else client.replace(made))
        known = world.mirror_slice(stored)
        if known:
            source.put_slice(known)
    elif action.want is not None:
        if action.verb == "create" or not isinstance(action.have, world.Local):
            stored = await client.create(service(action.want))
        else:
            patch = service_patch(action.want, action.have)
            stored = await client.patch(Service, action.key.name, patch, action.key.namespace, type="merge")
        source.put_service(world.local(stored))


async def _delete(client: kube.Client, action: plan.Action) -> None:
    group = "api/v1" if action.kind == "Service" else "apis/discovery.k8s.io/v1"
    plural = "services" if action.kind == "Service" else "endpointslices"
    have = action.have
    bound = {"uid": have.uid, "resourceVersion": have.version} if have else {}
    body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": bound}
    try:
        await client.raw("DELETE", f"/{group}/namespaces/{action.key.namespace}/{plural}/{action.key.name}", body)
    except kube.ApiError as error:
        if error.status != 404:
            raise


def service(want: world.Local) -> Service:
    """A new mirror or probe Service: a cluster IP, no selector, so that nobody but us gives it endpoints."""
    meta = ObjectMeta(
        name=want.key.name, namespace=want.key.namespace, labels=dict(want.labels), annotations=dict(want.annotations)
    )
    return Service(metadata=meta, spec=ServiceSpec(type="ClusterIP", ports=[_service_port(p) for p in want.ports]))


def _service_port(port: world.Port) -> ServicePort:
    return ServicePort(port.port, name=port.name or None, protocol="TCP", appProtocol=port.app_protocol)


def service_patch(want: world.Local, have: world.Local) -> dict[str, Any]:
    """A merge patch that sets what is wanted, drops what was once copied, and leaves keys of others alone."""
    labels, annotations = plan.stale(have, want)
    ports: list[dict[str, Any]] = []
    for port in want.ports:
        fields = {"name": port.name or None, "port": port.port, "protocol": "TCP", "appProtocol": port.app_protocol}
        ports.append({k: v for k, v in fields.items() if v is not None})
    return {
        "metadata": {
            "resourceVersion": have.version,
            "labels": {**dict.fromkeys(labels), **want.labels},
            "annotations": {**dict.fromkeys(annotations), **want.annotations},
        },
        "spec": {"ports": ports},
    }


def endpoint_slice(want: world.Slice, have: world.Local | world.Slice | None = None) -> EndpointSlice:
    """Our slice as the API takes it; with `have`, as a replacement of exactly that version."""
    marked = {names.MIRRORED_GATEWAY: "true"} if want.origin is None else {names.MIRRORED_SERVICE: "true"}
    notes = {names.REMOTE_FQ_NAME: want.fq_name, names.REMOTE_GATEWAY_IDENTITY: want.identity}
    meta = ObjectMeta(
        name=want.key.name,
        namespace=want.key.namespace,
        labels={
            world.SERVICE_NAME: want.service,
            world.MANAGED_BY: names.MANAGED_BY_SLICE,
            names.CLUSTER_NAME: want.cluster,
            **marked,
        },
        annotations={k: v for k, v in notes.items() if v},
        resourceVersion=have.version if have else None,
    )
    endpoints = [Endpoint([ip], conditions=EndpointConditions(ready=ready)) for ip, ready in want.endpoints]
    # The API server wants a name on every port of a slice; the empty one is the unnamed port of the Service.
    ports = [EndpointPort(name=p.name, port=p.port, protocol="TCP", appProtocol=p.app_protocol) for p in want.ports]
    return EndpointSlice(metadata=meta, addressType=want.family, endpoints=endpoints, ports=ports)
