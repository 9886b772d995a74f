"""The process `isthmus control service-mirror`: every Link of one namespace, each in tasks and under a Lease of its own.

In: options, the source's API. The source is watched once for all Links (Services, our EndpointSlices, Namespaces, Links, Secrets);
each target is watched by its Link alone (see `shell.mirror`). Out: an exit code.
Never here: decisions about Services (see `plan`). A Link's own status wakes nobody: only its spec and its deletion are looked at.
Limit: LINKS Links a process; a further one is refused in its status.
"""

import argparse
import asyncio
import os
import random
import socket
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Namespace, Secret, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names
from isthmus.errors import BadValue, IsthmusError
from isthmus.kube import access, crds, lease, store, watch
from isthmus.kube import client as kube
from isthmus.multicluster import objects, spec, status, world
from isthmus.multicluster.shell import meters, mirror, shared, target
from isthmus.serve import runtime

LINKS = 100


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told. `holder` is the name it signs Leases with."""

    namespace: str = names.MULTICLUSTER_NS
    control_ns: str = names.CONTROL_NS
    create_namespaces: bool = False
    log_level: str = "info"
    holder: str = ""
    admin_port: int = objects.ADMIN_PORT

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        parser = argparse.ArgumentParser(prog="isthmus control service-mirror")
        parser.add_argument("--namespace", default=names.MULTICLUSTER_NS, help="where the Links are")
        parser.add_argument("--control-namespace", dest="control_ns", default=names.CONTROL_NS)
        parser.add_argument(
            "--create-namespaces", action="store_true", help="make a namespace an export lives in where it is missing"
        )
        parser.add_argument("--log-level", default="info")
        parser.add_argument("--holder", default=os.environ.get("HOSTNAME") or socket.gethostname())
        parser.add_argument("--admin-port", type=int, default=objects.ADMIN_PORT)
        return cls(**vars(parser.parse_args(list(arguments))))


def main(options: Options) -> int:
    """Runs until it is told to stop."""

    async def start(process: runtime.Runtime) -> None:
        await Controller(process, options, kube.Client(access.load()), random.SystemRandom()).start()

    return runtime.main("service-mirror", start, admin_port=options.admin_port, log_level=options.log_level)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What of a Link counts: anything else may change without waking anybody."""

    spec: Mapping[str, Any]
    deleting: bool
    uid: str


class Controller:
    """Watches the source and gives each Link a task."""

    def __init__(self, process: runtime.Runtime, options: Options, client: kube.Client, dice: random.Random) -> None:
        self.process, self.options, self.client, self.dice = process, options, client, dice
        self.services: store.Store[Service] = store.Store("Service")
        self.slices: store.Store[EndpointSlice] = store.Store("EndpointSlice")
        self.namespaces: store.Store[Namespace] = store.Store("Namespace")
        self.links: store.Store[crds.Link] = store.Store("Link")
        self.secrets: store.Store[Secret] = store.Store("Secret")
        self.shared = shared.Shared(
            client=client,
            source=world.Source(),
            secrets=self.secrets,
            meters=meters.Meters(process.registry),
            log=process.log,
            dice=dice,
            create_namespaces=options.create_namespaces,
        )
        self.mirrors: dict[names.Key, mirror.Mirror] = {}
        self._seen: dict[names.Key, _Seen] = {}
        self._news: dict[names.Key, asyncio.Event] = {}
        self._clusters: dict[names.Key, str] = {}

    async def start(self) -> None:
        """Starts the watches; returns at once."""
        ours = f"{world.MANAGED_BY}={names.MANAGED_BY_SLICE}"
        watches = (
            watch.Reflector(self.client, Service, self.services),
            watch.Reflector(self.client, EndpointSlice, self.slices, labels=ours),
            watch.Reflector(self.client, Namespace, self.namespaces),
            watch.Reflector(self.client, Secret, self.secrets, namespace=self.options.namespace),
            watch.Reflector(self.client, crds.Link, self.links, namespace=self.options.namespace, optional=True),
        )
        self.services.subscribe(self._on_services)
        self.slices.subscribe(self._on_slices)
        self.namespaces.subscribe(self._on_namespaces)
        self.secrets.subscribe(self._on_secrets)
        self.links.subscribe(self._on_links)
        for one in watches:
            self.process.spawn(one.run(), name="watch")
        for each in (self.services, self.slices, self.namespaces, self.secrets, self.links):
            self.process.ready_when(f"watch {each.kind_name}", lambda each=each: each.synced)
        self.process.spawn(self._own_addresses(), name="own addresses")

    async def _own_addresses(self) -> None:
        """Addresses of our own API server, which no Link may send traffic to."""
        known = {
            os.environ.get("KUBERNETES_SERVICE_HOST", ""),
            urllib.parse.urlsplit(self.client.access.server).hostname or "",
        }
        while True:
            try:
                found = await self.client.get(EndpointSlice, "kubernetes", "default")
            except IsthmusError:
                await asyncio.sleep(5)
                continue
            known |= {ip for end in (found.endpoints if found else None) or () for ip in end.addresses}
            self.shared.own = frozenset(filter(None, known))
            return

    # --- the source's watches feed `world.Source`, and wake whom it concerns ---

    def _on_services(self, changed: frozenset[names.Key]) -> None:
        source = self.shared.source
        pairs: dict[names.Key, tuple[world.Local | None, world.Local | None]] = {}
        for key in changed:
            found = self.services.get(key)
            before = source.services.get(key)
            if found is None:
                source.drop_service(key)
            else:
                source.put_service(world.local(found))
            pairs[key] = (before, source.services.get(key))
        for one in self.mirrors.values():
            one.on_services(pairs)

    def _on_slices(self, changed: frozenset[names.Key]) -> None:
        source = self.shared.source
        pairs: dict[names.Key, tuple[world.Slice | None, world.Slice | None]] = {}
        for key in changed:
            found = self.slices.get(key)
            known = world.mirror_slice(found) if found is not None else None
            before = source.slices.get(key)
            if known is None:
                source.drop_slice(key)
            else:
                source.put_slice(known)
            pairs[key] = (before, known)
        for one in self.mirrors.values():
            one.on_slices(pairs)

    def _on_namespaces(self, changed: frozenset[names.Key]) -> None:
        for key in changed:
            found = self.namespaces.get(key)
            if key.name == "kube-system" and found is not None and found.metadata:
                self.shared.home = found.metadata.uid or ""
            if found is None:
                self.shared.source.namespaces.pop(key.name, None)
            else:
                self.shared.source.put_namespace(found)
        for one in self.mirrors.values():
            one.on_namespaces(frozenset(key.name for key in changed))

    def _on_secrets(self, changed: frozenset[names.Key]) -> None:
        for one in self.mirrors.values():
            if names.Key(one.link.namespace, one.link.credentials) in changed:
                one.on_secret()

    def _on_links(self, changed: frozenset[names.Key]) -> None:
        stirred = False
        for key in changed:
            found = self.links.get(key)
            seen = _seen(found) if found is not None else None
            if seen == self._seen.get(key):
                continue
            stirred = True
            if seen is None:
                self._seen.pop(key, None)
                continue
            self._seen[key] = seen
            if key not in self._news:
                self._news[key] = asyncio.Event()
                self.process.spawn(self._supervise(key), name=f"link {key.name}")
        if stirred:
            # Links may stand in each other's way (two for one cluster), so each looks again.
            for event in self._news.values():
                event.set()

    # --- one Link ---

    async def _supervise(self, key: names.Key) -> None:
        """Leads a Link whenever its Lease is ours, until it is gone. No fault of one Link leaves this task."""
        name = f"service-mirror-write-{key.name}"
        wait = 1.0
        while key in self._seen:
            started = asyncio.get_running_loop().time()
            try:
                await lease.hold(
                    self.client, names.shorten(name), key.namespace, self.options.holder, lambda: self._lead(key)
                )
            except Exception as fault:  # isolation: whatever goes wrong with one Link must not end the others
                self.process.log.exception("link failed", link=key.name, why=repr(fault))
            if key in self._seen:
                wait = 1.0 if asyncio.get_running_loop().time() - started > 60 else min(60.0, wait * 2)
                await asyncio.sleep(wait * self.dice.uniform(0.75, 1.25))
        self._news.pop(key, None)
        try:
            await self.client.delete(Lease, names.shorten(name), key.namespace)
        except IsthmusError as error:
            self.process.log.warning("lease left behind", link=key.name, why=str(error))

    async def _lead(self, key: names.Key) -> None:
        """While the Lease is ours: mirrors, refuses or clears, as the Link asks; returns when it is gone."""
        for each in (self.services, self.slices, self.namespaces, self.secrets):
            await each.wait_synced()
        while key in self._seen:
            news = self._news[key]
            news.clear()
            found = self.links.get(key)
            if found is None:
                return
            if _seen(found).deleting:
                await self._clear(key, found)
                await news.wait()
                continue
            try:
                link = _parse(key, found)
                self._refuse(link, found)
            except IsthmusError as refused:
                await self._say_invalid(key, refused)
                await news.wait()
                continue
            await self._finalize(key, found, add=True)
            await self._run(key, link, news, status.dead_addresses(found.status))

    async def _run(self, key: names.Key, link: spec.Link, news: asyncio.Event, dead_before: frozenset[str]) -> None:
        """Mirrors until the Link is gone, is to go, or means another cluster."""
        one = self.mirrors[key] = mirror.Mirror(link, self.shared, dead_before)
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(one.run())
                while await self._still(key, one, news):
                    continue
                running.cancel()
        finally:
            self.mirrors.pop(key, None)
            self.shared.meters.forget(link.cluster)
        found = self.links.get(key)
        if found is not None and not _seen(found).deleting and _cluster(found) != link.cluster:
            await mirror.clear(link, self.shared)

    async def _still(self, key: names.Key, one: mirror.Mirror, news: asyncio.Event) -> bool:
        """Waits for the next edit and hands it over; False when the mirror must end."""
        await news.wait()
        news.clear()
        found = self.links.get(key)
        if found is None or _seen(found).deleting or _cluster(found) != one.link.cluster:
            return False
        try:
            link = _parse(key, found)
            self._refuse(link, found)
        except IsthmusError as refused:
            # The last good spec stays in force; the status says that this one is not read.
            one.invalid(str(refused.sentence))
            return True
        if link != one.link:
            one.update(link)
        return True

    def _refuse(self, link: spec.Link, found: crds.Link) -> None:
        """Refuses a Link that stands in another's way.

        Raises:
            IsthmusError: why.
        """
        older = [
            k
            for k, other in self._links()
            if k != link.key and _cluster(other) == link.cluster and _rank(other) < _rank(found)
        ]
        if older:
            raise IsthmusError(
                f"Link {older[0]} mirrors cluster {link.cluster!r} already", hint="delete one of the two Links"
            )
        if len([k for k, other in self._links() if _rank(other) < _rank(found)]) >= LINKS:
            raise IsthmusError(f"a service mirror runs at most {LINKS} Links", hint="delete Links that are not used")
        notes = cast(Mapping[str, str], (found.metadata.annotations if found.metadata else None) or {})
        if self.shared.home and notes.get(objects.TARGET_UID) == self.shared.home:
            raise target.SameCluster(link.key)

    def _links(self) -> list[tuple[names.Key, crds.Link]]:
        found = ((key, self.links.get(key)) for key in self._seen)
        return [(key, one) for key, one in found if one is not None and not _seen(one).deleting]

    async def _say_invalid(self, key: names.Key, refused: IsthmusError) -> None:
        self.process.log.warning("link refused", link=key.name, why=refused.sentence)
        facts = {
            "Valid": status.Fact(
                False, "Refused", f"{refused.sentence}; {refused.hint}" if refused.hint else refused.sentence
            )
        }
        await mirror.write_status(self.client, key, None, facts, None, None)

    async def _clear(self, key: names.Key, found: crds.Link) -> None:
        """Removes what a Link that is to go has made, then lets it go. The target is not asked."""
        cluster = _cluster(found)
        if names.LINK_FINALIZER not in _finalizers(found):
            return
        if not [k for k, other in self._links() if k != key and _cluster(other) == cluster]:
            try:
                link = spec.parse(key.name, key.namespace, "", {"targetClusterName": cluster})
                await mirror.clear(link, self.shared)
            except BadValue:
                self.process.log.warning("link never mirrored", link=key.name, cluster=cluster)
        await self._finalize(key, found, add=False)
        self.process.log.info("link cleared", link=key.name, cluster=cluster)

    async def _finalize(self, key: names.Key, found: crds.Link, *, add: bool) -> None:
        """Puts our finalizer on a Link or takes it off, leaving those of others."""
        now = _finalizers(found)
        if (names.LINK_FINALIZER in now) == add:
            return
        after = [*now, names.LINK_FINALIZER] if add else [f for f in now if f != names.LINK_FINALIZER]
        version = found.metadata.resourceVersion if found.metadata else None
        patch = {"metadata": {"finalizers": after, "resourceVersion": version}}
        try:
            await self.client.patch(crds.Link, key.name, patch, key.namespace, type="merge")
        except kube.ApiError as error:
            if error.status == 409:
                newer = await self.client.get(crds.Link, key.name, key.namespace)
                if newer is not None:
                    await self._finalize(key, newer, add=add)
            elif error.status != 404:
                raise


def _parse(key: names.Key, found: crds.Link) -> spec.Link:
    return spec.parse(key.name, key.namespace, (found.metadata.uid or "") if found.metadata else "", found.spec or {})


def _seen(found: crds.Link) -> _Seen:
    meta = found.metadata
    return _Seen(
        found.spec or {}, meta is not None and meta.deletionTimestamp is not None, (meta.uid or "") if meta else ""
    )


def _cluster(found: crds.Link) -> str:
    return str((found.spec or {}).get("targetClusterName") or "")


def _finalizers(found: crds.Link) -> list[str]:
    return list((found.metadata.finalizers if found.metadata else None) or ())


def _rank(found: crds.Link) -> tuple[str, str]:
    """Older Links first, names where they are as old."""
    meta = found.metadata
    return (str(meta.creationTimestamp), meta.name or "") if meta else ("", "")
