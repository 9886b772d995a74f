"""What `kube` promises, kept against a real kube-apiserver: conflicts, old versions, late kinds, broken roads."""

import asyncio
import base64
import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import ConfigMap, Service

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.kube import access, crds, credentials, lease, store, watch
from isthmus.kube import client as kube
from tests.api import plane


def thing(space: str, name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace=space), data=data)


def data(held: Any) -> dict[str, str]:
    return (held.data if held else None) or {}


async def until(test: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not test():
            await asyncio.sleep(0.05)


class Road(httpx2.AsyncBaseTransport):
    """The way to the server, which a test may cut: open answers end, new calls fail."""

    def __init__(self, to: access.Access) -> None:
        self._inner = credentials.transport(to)
        self._cut = asyncio.Event()
        self.calls: list[str] = []

    def cut(self) -> None:
        self._cut.set()

    def heal(self) -> None:
        self._cut.clear()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(str(request.url))
        if self._cut.is_set():
            raise httpx2.ConnectError("cut")
        answer = await self._inner.handle_async_request(request)
        return httpx2.Response(answer.status_code, headers=answer.headers, content=self._lines(answer), request=request)

    async def _lines(self, answer: httpx2.Response) -> AsyncIterator[bytes]:
        parts, ended = answer.aiter_raw(), asyncio.ensure_future(self._cut.wait())
        try:
            while True:
                part = asyncio.ensure_future(anext(parts))
                await asyncio.wait((part, ended), return_when=asyncio.FIRST_COMPLETED)
                if ended.done():
                    part.cancel()
                    await asyncio.gather(part, return_exceptions=True)
                    raise httpx2.ReadError("cut")
                try:
                    yield part.result()
                except StopAsyncIteration:
                    return
        finally:
            ended.cancel()
            await answer.aclose()

    async def aclose(self) -> None:
        await self._inner.aclose()


class Mirror:
    """A store of one namespace's ConfigMaps behind a road."""

    def __init__(self, road: Road, speaker: kube.Client, space: str) -> None:
        self.road = road
        self.store: store.Store[ConfigMap] = store.Store("ConfigMap")
        self.changes: list[str] = []
        self.reflector = watch.Reflector(speaker, ConfigMap, self.store, namespace=space, labels="!system")
        self.store.subscribe(lambda keys: self.changes.append(" ".join(sorted(k.name for k in keys))))

    def holds(self, *wanted: str) -> bool:
        return {k.name for k in self.store.keys()} - {"kube-root-ca.crt"} == set(wanted)


@asynccontextmanager
async def mirror(cluster: plane.Cluster, space: str) -> AsyncGenerator[Mirror]:
    road = Road(cluster.reach)
    async with kube.Client(cluster.reach, transport=road) as speaker, asyncio.TaskGroup() as group:
        made = Mirror(road, speaker, space)
        running = group.create_task(made.reflector.run())
        await until(lambda: made.store.synced)
        yield made
        running.cancel()


async def test_versions_guard_against_each_other(client: kube.Client, space: str) -> None:
    first = await client.create(thing(space, "a", k="1"))
    with pytest.raises(kube.ApiError) as there:
        await client.create(thing(space, "a"))
    await client.patch(ConfigMap, "a", {"data": {"k": "2"}}, space)
    with pytest.raises(kube.ApiError) as stale:
        await client.replace(first)
    assert [(e.value.status, e.value.reason) for e in (there, stale)] == [(409, "AlreadyExists"), (409, "Conflict")]


async def test_apply_twice_get_delete(client: kube.Client, space: str) -> None:
    want = Service(
        metadata=ObjectMeta(name="web", namespace=space),
        spec=ServiceSpec(ports=[ServicePort(80, name="http")], selector={"app": "web"}),
    )
    first = await client.apply(want)
    again = await client.apply(want)
    assert store.version_of(again) == store.version_of(first)
    await client.apply(first)
    assert await client.delete(Service, "web", space)
    assert not await client.delete(Service, "web", space)
    assert await client.get(Service, "web", space) is None


async def test_patches_of_each_kind(client: kube.Client, space: str) -> None:
    await client.create(thing(space, "a", k="1", gone="x"))
    merged = await client.patch(ConfigMap, "a", {"data": {"k": "2", "gone": None}}, space)
    steps = [{"op": "replace", "path": "/data/k", "value": "3"}]
    stepped = await client.patch(ConfigMap, "a", steps, space, type="json")
    assert (data(merged), data(stepped)) == ({"k": "2"}, {"k": "3"})


async def test_pages_are_one_version(client: kube.Client, space: str) -> None:
    for number in range(5):
        await client.create(thing(space, f"n{number}"))
    first = await client.page(ConfigMap, space, limit=2)
    await client.create(thing(space, "late"))
    second = await client.page(ConfigMap, space, token=first.token, limit=50)
    found = {o.metadata.name for o in [*first.items, *second.items] if o.metadata}
    assert (second.version, "late" in found, len(found) >= 5) == (first.version, False, True)


async def test_a_page_token_that_is_not_one(client: kube.Client, space: str) -> None:
    with pytest.raises(kube.ApiError) as told:
        await client.page(ConfigMap, space, token="nonsense")
    assert told.value.status == 400


async def test_who_may_not(client: kube.Client, cluster: plane.Cluster, space: str) -> None:
    await client.apply_dict(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "guest", "namespace": space}}
    )
    body: dict[str, Any] = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await client.raw("POST", f"/api/v1/namespaces/{space}/serviceaccounts/guest/token", body))["status"][
        "token"
    ]
    text = {
        "current-context": "g",
        "contexts": [{"name": "g", "context": {"cluster": "g", "user": "g"}}],
        "clusters": [
            {
                "name": "g",
                "cluster": {
                    "server": cluster.reach.server,
                    "certificate-authority-data": base64.b64encode(cluster.reach.ca()).decode(),
                },
            }
        ],
        "users": [{"name": "g", "user": {"token": token}}],
    }
    async with kube.Client(access.parse(str(text), source="test")) as guest:
        with pytest.raises(kube.ApiError) as told:
            await guest.list(ConfigMap, space)
    assert (told.value.status, told.value.reason) == (403, "Forbidden")


async def test_a_watch_brings_bookmarks(client: kube.Client, space: str) -> None:
    """A bookmark tells a version newer than the watch began with: without a write meanwhile none need come."""
    await client.create(thing(space, "a"))
    version = (await client.page(ConfigMap, space)).version

    async def kinds() -> list[str]:
        return [c.type async for c in client.changes(ConfigMap, version, space, seconds=6, idle=20)]

    async with asyncio.TaskGroup() as group:
        watching = group.create_task(kinds())
        for turn in range(20):
            await client.patch(ConfigMap, "a", {"data": {"turn": str(turn)}}, space)
            await asyncio.sleep(0.25)
    assert "BOOKMARK" in watching.result()


async def test_a_store_follows(client: kube.Client, cluster: plane.Cluster, space: str) -> None:
    async with mirror(cluster, space) as held:
        await client.create(thing(space, "a"))
        await until(lambda: held.holds("a"))
        await client.patch(ConfigMap, "a", {"data": {"k": "v"}}, space)
        await until(lambda: data(held.store.get(names.Key(space, "a"))) == {"k": "v"})
        await client.delete(ConfigMap, "a", space)
        await until(held.holds)


async def test_a_dropped_watch_resumes_without_a_list(client: kube.Client, cluster: plane.Cluster, space: str) -> None:
    await client.create(thing(space, "a"))
    async with mirror(cluster, space) as held:
        held.road.cut()
        await client.delete(ConfigMap, "a", space)
        await client.create(thing(space, "b"))
        await asyncio.sleep(0.5)
        assert held.holds("a")
        held.road.heal()
        await until(lambda: held.holds("b"))
        assert held.reflector.age() < 5
        assert sum("watch=true" not in call for call in held.road.calls) == 1


async def test_410_lists_again_and_sees_what_was_deleted(
    client: kube.Client, cluster: plane.Cluster, space: str
) -> None:
    await client.create(thing(space, "kept"))
    await client.create(thing(space, "lost"))
    async with mirror(cluster, space) as held:
        held.road.cut()
        await client.delete(ConfigMap, "lost", space)
        await client.create(thing(space, "new"))
        # A new API server remembers nothing from before its start: older versions are answered with 410.
        cluster.lab("kill", plane.NAME, "kube-apiserver")
        await _answers(client)
        held.changes.clear()
        held.road.heal()
        await until(lambda: held.holds("kept", "new"), 40)
        assert [c for c in held.changes if "kept" not in c] == held.changes
        assert held.changes[0] == "lost new"


async def test_an_old_version_is_told_as_gone(client: kube.Client, space: str) -> None:
    with pytest.raises(kube.ApiError) as told:
        async for _ in client.changes(ConfigMap, "1", space, seconds=5, idle=20):
            pass
    assert watch.cause_of(told.value) is watch.Cause.GONE


async def test_a_store_keeps_what_it_knows_while_the_server_is_down(
    client: kube.Client, cluster: plane.Cluster, space: str
) -> None:
    await client.create(thing(space, "a"))
    async with mirror(cluster, space) as held:
        cluster.lab("stop", plane.NAME, "kube-apiserver")
        try:
            await asyncio.sleep(3)
            assert held.holds("a")
            assert held.store.synced
        finally:
            cluster.lab("start", plane.NAME, "kube-apiserver")
        await _answers(client)
        await client.create(thing(space, "b"))
        await until(lambda: held.holds("a", "b"), 40)


async def _answers(client: kube.Client) -> None:
    """Wait until the API server serves again."""
    async with asyncio.timeout(60):
        while True:
            try:
                await client.raw("GET", "/readyz?verbose=false", content_type="text/plain")
            except IsthmusError:
                await asyncio.sleep(0.2)
            except ValueError:
                return  # it says `ok`, which is no document


async def test_a_kind_that_comes_late(client: kube.Client, space: str) -> None:
    links: store.Store[crds.Link] = store.Store("Link")
    async with asyncio.TaskGroup() as group:
        running = group.create_task(
            watch.Reflector(client, crds.Link, links, namespace=space, optional=True, dice=lambda: 0.0).run()
        )
        await until(lambda: links.synced)
        assert len(links) == 0
        await client.apply_dict(plane.crd("Link"))
        doc: dict[str, Any] = {
            "apiVersion": "multicluster.linkerd.io/v1alpha3",
            "kind": "Link",
            "metadata": {"name": "west", "namespace": space},
            "spec": {"targetClusterName": "west"},
        }
        await _applied(client, doc)
        await until(lambda: len(links) == 1, 30)
        found = next(iter(links.values()))
        assert found.spec["targetClusterName"] == "west"
        stored = await client.patch_status(crds.Link, "west", {"status": {"mirrorServices": []}}, space)
        assert stored.status == {"mirrorServices": []}
        running.cancel()


async def _applied(client: kube.Client, doc: dict[str, Any]) -> None:
    """Apply a document of a kind that was defined a moment ago."""
    async with asyncio.timeout(20):
        while True:
            try:
                await client.apply_dict(doc)
            except kube.ApiError as error:
                if error.status != 404:
                    raise
                await asyncio.sleep(0.2)
            else:
                return


async def test_one_of_two_holds_the_lease(client: kube.Client, space: str) -> None:
    working: list[str] = []
    seen: list[int] = []

    async def work(name: str) -> None:
        working.append(name)
        seen.append(len(working))
        await asyncio.sleep(1)
        working.remove(name)

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for name in ("a", "b"):
            group.create_task(lease.hold(client, "boss", space, name, lambda n=name: work(n), ttl=3))
    assert seen == [1, 1]
    found = await client.get(Lease, "boss", space)
    assert found and found.spec and (found.spec.holderIdentity, found.spec.leaseTransitions) == ("", 1)


async def test_a_lease_left_behind_is_taken_after_its_time(client: kube.Client, space: str) -> None:
    left = lease.taken(None, "boss", space, "ghost", 2, dt.datetime.now(dt.UTC))
    await client.create(left)
    began = asyncio.get_running_loop().time()

    async def work() -> None:
        return

    async with asyncio.timeout(20):
        await lease.hold(client, "boss", space, "me", work, ttl=2)
    assert asyncio.get_running_loop().time() - began >= 1.9
