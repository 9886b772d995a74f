"""Calls: what is sent, what comes back, which error an answer is."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from lightkube.models.meta_v1 import ManagedFieldsEntry, ObjectMeta
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod

from isthmus.errors import Cut, IsthmusError, Unreachable
from isthmus.kube import client, crds, paths
from tests.unit.kube import memory

Answer = Callable[[httpx2.Request], httpx2.Response]


class Wire:
    """A client whose server answers one thing, and what it was asked."""

    def __init__(self, answer: httpx2.Response | Exception) -> None:
        self.asked: list[httpx2.Request] = []

        def reply(request: httpx2.Request) -> httpx2.Response:
            self.asked.append(request)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.client = memory.speak(httpx2.MockTransport(reply))

    def call(self) -> str:
        return f"{self.asked[0].method} {self.asked[0].url.raw_path.decode()}"

    def sent(self) -> Any:
        return json.loads(self.asked[0].content)


def thing(**more: Any) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name="a", namespace="shop", **more), data={"k": "v"})


def ok(doc: dict[str, Any] | None = None) -> httpx2.Response:
    return httpx2.Response(200, json=doc or {"metadata": {"name": "a", "resourceVersion": "9"}})


@pytest.mark.parametrize(
    "kind, namespace, path",
    [
        pytest.param(ConfigMap, "shop", "/api/v1/namespaces/shop/configmaps/a", id="namespaced"),
        pytest.param(ConfigMap, None, "/api/v1/namespaces/ns/configmaps/a", id="the-context's-namespace"),
        pytest.param(Namespace, "shop", "/api/v1/namespaces/a", id="cluster-wide"),
        pytest.param(
            crds.Link, "mc", "/apis/multicluster.linkerd.io/v1alpha3/namespaces/mc/links/a", id="our-own-kind"
        ),
    ],
)
async def test_get(kind: Any, namespace: str | None, path: str) -> None:
    wire = Wire(ok())
    found: Any = await wire.client.get(kind, "a", namespace)
    assert (wire.call(), found.metadata.name) == (f"GET {path}", "a")


async def test_get_of_nothing() -> None:
    assert await Wire(memory.status(404, "NotFound")).client.get(ConfigMap, "a") is None


async def test_apply_says_who_and_leaves_out_what_the_server_keeps() -> None:
    wire = Wire(ok())
    await wire.client.apply(thing(resourceVersion="1", managedFields=[ManagedFieldsEntry(manager="x")]))
    assert wire.call() == "PATCH /api/v1/namespaces/shop/configmaps/a?fieldManager=isthmus&force=true"
    assert wire.asked[0].headers["content-type"] == "application/apply-patch+yaml"
    meta = {"name": "a", "namespace": "shop"}
    assert wire.sent() == {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"k": "v"}}


@pytest.mark.parametrize(
    "verb, call",
    [
        ("create", "POST /api/v1/namespaces/shop/configmaps?fieldManager=isthmus"),
        ("replace", "PUT /api/v1/namespaces/shop/configmaps/a?fieldManager=isthmus"),
    ],
)
async def test_create_and_replace(verb: str, call: str) -> None:
    wire = Wire(ok())
    stored = await getattr(wire.client, verb)(thing())
    assert (wire.call(), stored.metadata.resourceVersion, wire.sent()["kind"]) == (call, "9", "ConfigMap")


@pytest.mark.parametrize("kind", ["merge", "json", "strategic"])
async def test_patch(kind: Any) -> None:
    wire = Wire(ok())
    await wire.client.patch(ConfigMap, "a", {"data": None}, "shop", type=kind)
    assert (
        wire.asked[0]
        .headers["content-type"]
        .startswith("application/" + {"merge": "merge-patch", "json": "json-patch"}.get(kind, "strategic"))
    )


async def test_patch_status() -> None:
    wire = Wire(ok())
    await wire.client.patch_status(crds.Link, "a", {"status": {}}, "mc")
    assert "/links/a/status?" in wire.call()


@pytest.mark.parametrize("answer, there", [(ok(), True), (memory.status(404), False)], ids=["there", "gone"])
async def test_delete(answer: httpx2.Response, there: bool) -> None:
    assert await Wire(answer).client.delete(ConfigMap, "a", "shop") is there


async def test_delete_that_must_find() -> None:
    with pytest.raises(client.ApiError):
        await Wire(memory.status(404)).client.delete(ConfigMap, "a", missing_ok=False)


@pytest.mark.parametrize(
    "labels, query",
    [
        pytest.param(None, None, id="all"),
        pytest.param({"a": "b", "c": "d"}, "a=b,c=d", id="equalities"),
        pytest.param("a in (b,c),!d", "a in (b,c),!d", id="a-selector"),
    ],
)
async def test_list_selects(labels: client.Labels, query: str | None) -> None:
    wire = Wire(ok({"metadata": {"resourceVersion": "3"}, "items": [{"metadata": {"name": "x"}}]}))
    found = await wire.client.list(Pod, "shop", labels)
    assert ([p.metadata.name for p in found if p.metadata], wire.asked[0].url.params.get("labelSelector")) == (
        ["x"],
        query,
    )


@pytest.mark.parametrize("namespace", [None, "*"])
async def test_list_of_all_namespaces(namespace: str | None) -> None:
    wire = Wire(ok({"metadata": {}, "items": []}))
    assert await wire.client.list(Pod, namespace) == []
    assert wire.call().startswith("GET /api/v1/pods?")


async def test_list_reads_all_pages() -> None:
    server = memory.Memory()
    for number in range(7):
        server.put(f"n{number}")
    async with memory.speak(server) as speaker:
        page = await speaker.page(ConfigMap, "ns", limit=3)
        assert (len(page.items), page.version, page.token) == (3, str(server.version), "3")
        assert len(await speaker.list(ConfigMap, "ns")) == 7


@pytest.mark.parametrize(
    "answer, kind, said",
    [
        pytest.param(memory.status(409, "Conflict"), client.ApiError, "told 409", id="a-status"),
        pytest.param(httpx2.Response(503, content=b"no backend"), client.ApiError, "no backend", id="a-thing-between"),
        pytest.param(httpx2.Response(500), client.ApiError, "HTTP 500", id="nothing-said"),
        pytest.param(
            httpx2.Response(302, headers={"location": "/login"}), client.ApiError, "HTTP 302", id="a-login-page"
        ),
        pytest.param(httpx2.ConnectError("refused"), Unreachable, "refused", id="refused"),
        pytest.param(httpx2.ReadTimeout("late"), Unreachable, "in time", id="late"),
    ],
)
async def test_errors(answer: httpx2.Response | Exception, kind: type[IsthmusError], said: str) -> None:
    with pytest.raises(kind, match=said):
        await Wire(answer).client.raw("GET", "/version")


@pytest.mark.parametrize(
    "line, said",
    [
        (b'{"type":"ERROR","object":{"code":410,"reason":"Expired","message":"too old"}}', "too old"),
        (b"{", "no event"),
        (b'{"type":"ADDED","object":{"metadata":{"name":3}}}', "no event"),
    ],
    ids=["error-line", "half-a-line", "wrong-shape"],
)
def test_lines_that_end_a_watch(line: bytes, said: str) -> None:
    with pytest.raises(IsthmusError, match=said):
        client.read_change(line, ConfigMap)


def test_a_bookmark_needs_no_whole_object() -> None:
    line = b'{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"7"},"spec":{"containers":null}}}'
    assert client.read_change(line, Pod)[::2] == ("BOOKMARK", "7")


async def test_a_mute_watch_is_given_up() -> None:
    async def silence() -> AsyncIterator[bytes]:
        raise httpx2.ReadTimeout("mute")
        yield b""

    wire = Wire(httpx2.Response(200, content=silence()))
    with pytest.raises(Unreachable, match="in time"):
        async for _ in wire.client.changes(ConfigMap, "1", "ns", seconds=5, idle=0.1):
            pass
    assert wire.asked[0].extensions["timeout"]["read"] == 0.1


async def test_documents_of_known_kinds_need_no_discovery() -> None:
    wire = Wire(ok())
    await wire.client.apply_dict({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    assert wire.call().startswith("PATCH /api/v1/namespaces/shop?")


async def test_documents_of_other_kinds_are_looked_up_once() -> None:
    asked: list[str] = []

    def reply(request: httpx2.Request) -> httpx2.Response:
        asked.append(f"{request.method} {request.url.path}")
        if request.url.path == "/apis/x.test/v1":
            return ok(
                {
                    "resources": [
                        {"name": "foos/status", "kind": "Foo", "namespaced": True},
                        {"name": "foos", "kind": "Foo", "namespaced": True},
                    ]
                }
            )
        return ok()

    doc = {"apiVersion": "x.test/v1", "kind": "Foo", "metadata": {"name": "a"}}
    async with memory.speak(httpx2.MockTransport(reply)) as speaker:
        await speaker.apply_dict(doc)
        assert await speaker.delete_dict(doc)
    path = "/apis/x.test/v1/namespaces/ns/foos/a"
    assert asked == ["GET /apis/x.test/v1", f"PATCH {path}", f"DELETE {path}"]


async def test_an_open_stream_that_breaks_is_cut() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a part"
        raise httpx2.RemoteProtocolError("incomplete chunked read")

    async with memory.speak(httpx2.MockTransport(lambda _: httpx2.Response(200, content=body()))) as speaker:
        with pytest.raises(Cut, match="incomplete chunked read"):
            _ = [part async for part in speaker.stream("/apis/x", b"", {}, read=lambda *_: "")]


async def test_a_kind_nobody_knows() -> None:
    doc = {"apiVersion": "x.test/v1", "kind": "Foo", "metadata": {"name": "a"}}
    with pytest.raises(client.ApiError) as caught:
        await Wire(ok({"resources": []})).client.apply_dict(doc)
    assert caught.value.status == 404
    assert await Wire(memory.status(404)).client.delete_dict(doc) is False


@pytest.mark.parametrize("doc", [{}, {"apiVersion": "v1", "kind": "Pod"}, {"kind": "Pod", "metadata": {"name": "a"}}])
async def test_incomplete_documents(doc: dict[str, Any]) -> None:
    with pytest.raises(IsthmusError, match="incomplete"):
        await Wire(ok()).client.apply_dict(doc)


def test_our_kinds_are_known_by_apiversion_and_kind() -> None:
    places = [paths.known(k._api_info.resource.api_version, k._api_info.resource.kind) for k in crds.KINDS]  # type: ignore[attr-defined]
    assert all(place and place.namespaced for place in places)
    assert len(set(places)) == len(crds.KINDS)
