"""Calls to one API server. In: kinds, names, objects or documents. Out: objects; an `ApiError` where the server refuses, `Unreachable`
where it does not answer.

Kinds and their decoding are lightkube's; the calls are ours, over one pool of connections, since a watch needs bookmarks and its own
limits, and credentials need what lightkube has not (see `credentials`). Never here: retries (a caller knows what a second try means),
caches (see `store`). Limits: `timeout` seconds a call, PAGES pages a list, LINE bytes a watch event.
"""

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, Generic, Literal, NamedTuple, Self, TypeVar, cast

import httpx2
import msgspec
from lightkube.core import decoders
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.types import PatchType

from isthmus.errors import BadValue, Cut, IsthmusError, Unreachable
from isthmus.kube import access, credentials, paths, store

R = TypeVar("R", bound=store.Object)
Doc = dict[str, Any]
Docs = list[Doc]
Labels = Mapping[str, str] | str | None
"""Equalities, or a selector as Kubernetes writes it (`a=b,c!=d,e in (f,g)`)."""

PAGE = 500
PAGES = 2000
LINE = 8 * 1024 * 1024
_JSON = {"Content-Type": "application/json"}
_PATCHES = {
    "merge": PatchType.MERGE.value,
    "json": PatchType.JSON.value,
    "strategic": PatchType.STRATEGIC.value,
}


class ApiError(IsthmusError):
    """The server refuses. `status` is the HTTP code, `reason` Kubernetes' word for it (`NotFound`, `Conflict`, `Expired`)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message, code=1)
        self.status = status
        self.reason = reason


class Page(NamedTuple, Generic[R]):
    """A part of a list: objects, the version of the whole, and what to ask the next part with ("" after the last)."""

    items: list[R]
    version: str
    token: str


class Bookmark(msgspec.Struct):
    """What a bookmark has."""

    metadata: ObjectMeta | None = None


_BOOKMARK = msgspec.json.Decoder(Bookmark)


class Change(NamedTuple, Generic[R]):
    """One line of a watch: ADDED, MODIFIED, DELETED with the object, BOOKMARK with a version only."""

    type: str
    obj: R
    version: str


class Client:
    """One cluster as one user. Close it, or use it as an asynchronous context."""

    def __init__(
        self,
        access: access.Access,
        *,
        field_manager: str = "isthmus",
        timeout: float = 10.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.access = access
        self._manager = field_manager
        road = transport or credentials.transport(access)
        limits = httpx2.Timeout(timeout)
        self._http = httpx2.AsyncClient(
            base_url=access.server, transport=road, timeout=limits, trust_env=False, follow_redirects=False
        )
        self._places: dict[tuple[str, str], paths.Place] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def get(self, kind: type[R], name: str, namespace: str | None = None) -> R | None:
        """The object, or None when there is none."""
        path = paths.of(kind, namespace or self.access.namespace, name)
        try:
            return _decode(await self._call("GET", path), kind)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: type[R], namespace: str | None = None, labels: Labels = None) -> list[R]:
        """All objects of a namespace, or of all of them (None or "*")."""
        found: list[R] = []
        token = ""
        for _ in range(PAGES):
            page = await self.page(kind, namespace, labels, token)
            found += page.items
            token = page.token
            if not token:
                return found
        raise IsthmusError(f"a list of {kind.__name__} has more than {PAGES * PAGE} objects")

    async def apply(self, obj: R, *, force: bool = True) -> R:
        """Server-side apply with our field manager; returns what is stored. An object that was read before may be given as it is."""
        doc = typed_doc(obj)
        doc["metadata"] = {k: v for k, v in doc["metadata"].items() if k not in ("managedFields", "resourceVersion")}
        path = paths.of(type(obj), self._space(obj), _name(obj))
        return _decode(await self._apply(path, doc, force=force), type(obj))

    async def create(self, obj: R) -> R:
        """A new object; ApiError 409 when it is there already."""
        path = paths.collection(type(obj), self._space(obj))
        query = {"fieldManager": self._manager}
        body = msgspec.json.encode(typed_doc(obj))
        return _decode(await self._call("POST", path, params=query, body=body, headers=_JSON), type(obj))

    async def replace(self, obj: R) -> R:
        """The whole object; ApiError 409 when its resourceVersion is no longer the last."""
        path = paths.of(type(obj), self._space(obj), _name(obj))
        query = {"fieldManager": self._manager}
        body = msgspec.json.encode(typed_doc(obj))
        return _decode(await self._call("PUT", path, params=query, body=body, headers=_JSON), type(obj))

    async def patch(
        self,
        kind: type[R],
        name: str,
        patch: Doc | Docs,
        namespace: str | None = None,
        *,
        type: Literal["merge", "json", "strategic"] = "merge",  # noqa: A002
    ) -> R:
        """Change parts of an object; returns what is stored."""
        path = paths.of(kind, namespace or self.access.namespace, name)
        return _decode(await self._patch(path, patch, _PATCHES[type]), kind)

    async def patch_status(self, kind: type[R], name: str, patch: Doc, namespace: str | None = None) -> R:
        """Merge into the status; `patch` is `{"status": {...}}`."""
        path = paths.of(kind, namespace or self.access.namespace, name) + "/status"
        return _decode(await self._patch(path, patch, _PATCHES["merge"]), kind)

    async def delete(
        self, kind: type[store.Object], name: str, namespace: str | None = None, *, missing_ok: bool = True
    ) -> bool:
        """Ask for an object to go; False when it was not there."""
        path = paths.of(kind, namespace or self.access.namespace, name)
        return await self._delete(path, missing_ok=missing_ok)

    async def raw(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Doc:
        """One call by its path and query, answered as a document ({} for an empty answer)."""
        data = None if body is None else json.dumps(body).encode()
        answer = await self._call(method, path, body=data, headers={"Content-Type": content_type} if data else None)
        return cast("Doc", json.loads(answer)) if answer.strip() else {}

    async def text(self, path: str) -> str:
        """The answer to a GET as it is: logs, metrics through the pod proxy."""
        return (await self._call("GET", path, headers={"Accept": "*/*"})).decode(errors="replace")

    async def post(self, path: str, body: bytes, content_type: str) -> bytes:
        """POST bytes to what stands behind the API server's proxy; its answer as it is. Raises ApiError from 300 on."""
        return await self._call("POST", path, body=body, headers={"Content-Type": content_type, "Accept": "*/*"})

    async def stream(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        read: Callable[[int, Mapping[str, str], bytes], str],
    ) -> AsyncIterator[bytes]:
        """POST bytes; the answer part by part, until either side ends it. `read` finds the sentence in a refusal, or "" for the usual way.

        Nothing is said while nothing happens, so there is no limit on silence; the connection has ten seconds to come about.

        Raises:
            ApiError: refused. Unreachable: nobody answers. Cut: the open stream broke.
        """
        limit = httpx2.Timeout(10.0, read=None)
        with self._told():
            async with self._http.stream("POST", path, content=body, headers=dict(headers), timeout=limit) as answer:
                if answer.status_code >= 300:
                    data = await answer.aread()
                    sentence = read(answer.status_code, answer.headers, data)
                    raise ApiError(answer.status_code, "", sentence) if sentence else refusal(answer.status_code, data)
                with self._told(Cut):
                    async for part in answer.aiter_raw():
                        yield part

    async def get_dict(self, doc: Doc) -> Doc | None:
        """What is stored of the object a document names, or None when there is none, or no such kind."""
        try:
            return await self.raw("GET", await self._path_of(doc))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def apply_dict(self, doc: Doc, *, force: bool = True, dry_run: bool = False) -> Doc:
        """Server-side apply of a document of any kind the server knows; `dry_run` answers as if, and stores nothing."""
        path = await self._path_of(doc)
        return cast("Doc", json.loads(await self._apply(path, doc, force=force, dry_run=dry_run)))

    async def delete_dict(self, doc: Doc) -> bool:
        """Ask for the object a document names to go; False when it, or its kind, was not there."""
        try:
            path = await self._path_of(doc)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return await self._delete(path, missing_ok=True)

    async def page(
        self, kind: type[R], namespace: str | None = None, labels: Labels = None, token: str = "", limit: int = PAGE
    ) -> Page[R]:
        """A part of a list, as of one version of the whole; 410 when `token` is too old to go on."""
        query = {"limit": str(limit), **_selector(labels), **({"continue": token} if token else {})}
        answer = await self._call("GET", paths.collection(kind, namespace), params=query)
        listed = cast("tuple[str | None, str | None, list[R]]", decoders.decode_list(answer, kind))  # pyright: ignore[reportUnknownMemberType]
        return Page(listed[2], listed[1] or "", listed[0] or "")

    async def changes(
        self,
        kind: type[R],
        version: str,
        namespace: str | None = None,
        labels: Labels = None,
        *,
        seconds: int,
        idle: float,
    ) -> AsyncIterator[Change[R]]:
        """What happens to a collection after `version`, until the server ends it (after `seconds` at the latest).

        Raises:
            ApiError: 410 when the version is too old. Unreachable: the road broke, or nothing came for `idle` seconds.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds), **_selector(labels)}
        query["resourceVersion"] = version
        limit = httpx2.Timeout(10.0, read=idle)
        with self._told():
            async with self._http.stream(
                "GET", paths.collection(kind, namespace), params=query, timeout=limit
            ) as answer:
                if answer.status_code >= 400:
                    raise refusal(answer.status_code, await answer.aread())
                async for line in _lines(answer):
                    yield read_change(line, kind)

    def _space(self, obj: store.Object) -> str:
        return (obj.metadata.namespace if obj.metadata else None) or self.access.namespace

    async def _apply(self, path: str, doc: Doc, *, force: bool, dry_run: bool = False) -> bytes:
        query = {"fieldManager": self._manager, "force": "true" if force else "false"}
        if dry_run:
            query["dryRun"] = "All"
        headers = {"Content-Type": PatchType.APPLY.value}
        return await self._call("PATCH", path, params=query, body=msgspec.json.encode(doc), headers=headers)

    async def _patch(self, path: str, patch: object, content: str) -> bytes:
        query = {"fieldManager": self._manager}
        body = msgspec.json.encode(patch)
        return await self._call("PATCH", path, params=query, body=body, headers={"Content-Type": content})

    async def _delete(self, path: str, *, missing_ok: bool) -> bool:
        try:
            await self._call("DELETE", path, params={"propagationPolicy": "Background"})
        except ApiError as error:
            if error.status == 404 and missing_ok:
                return False
            raise
        return True

    async def _path_of(self, doc: Doc) -> str:
        api, kind = doc.get("apiVersion"), doc.get("kind")
        meta = cast("Doc", doc.get("metadata") or {})
        if not isinstance(api, str) or not isinstance(kind, str) or not meta.get("name"):
            raise BadValue("a document", f"{api} {kind}", "apiVersion, kind and metadata.name", why="incomplete")
        place = self._places.get((api, kind))
        if place is None:
            place = paths.known(api, kind) or await self._discover(api, kind)
            self._places[api, kind] = place
        return place.path(meta.get("namespace") or self.access.namespace, meta["name"])

    async def _discover(self, api: str, kind: str) -> paths.Place:
        listed = await self.raw("GET", f"/{paths.root(api)}")
        for entry in listed.get("resources", ()):
            if entry["kind"] == kind and "/" not in entry["name"]:
                return paths.Place(f"/{paths.root(api)}", entry["name"], bool(entry["namespaced"]))
        raise ApiError(404, "NotFound", f"the cluster has no {kind} in {api}")

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        with self._told():
            answer = await self._http.request(method, path, params=params, content=body, headers=headers)
        if answer.status_code >= 300:
            raise refusal(answer.status_code, answer.content)
        return answer.content

    @contextlib.contextmanager
    def _told(self, kind: type[Unreachable] = Unreachable) -> Generator[None]:
        """Turn the library's errors into ours."""
        where = f"cluster {self.access.context!r}"
        hint = (
            f"is {self.access.server} right and in reach? `isthmus check --context {self.access.context}` looks closer"
        )
        try:
            yield
        except httpx2.TimeoutException as error:
            raise kind(f"{where} did not answer in time ({type(error).__name__})", hint=hint) from error
        except (httpx2.HTTPError, httpx2.StreamError, ssl.SSLError, OSError) as error:
            raise kind(f"{where} does not answer: {error or type(error).__name__}", hint=hint) from error


def refusal(status: int, body: bytes) -> ApiError:
    """The error an answer tells of, which may be a Status or any page of a thing in between."""
    try:
        told: Any = json.loads(body)
        return ApiError(status, str(told.get("reason") or ""), str(told.get("message") or f"HTTP {status}"))
    except (ValueError, AttributeError):
        return ApiError(status, "", body[:200].decode(errors="replace").strip() or f"HTTP {status}")


def read_change(line: bytes, kind: type[R]) -> Change[R]:
    """One line of a watch. An ERROR line is raised as the ApiError it carries."""
    try:
        event = decoders.decode_watch_event(line)
        if event.type == "ERROR":
            told = decoders.decode_status(bytes(event.object))
            raise ApiError(told.code or 500, told.reason or "", told.message or "watch ended")
        # A bookmark is an empty object: of a kind with required fields (a Pod's containers) it would not decode.
        obj = (
            cast("R", _BOOKMARK.decode(bytes(event.object)))
            if event.type == "BOOKMARK"
            else _decode(bytes(event.object), kind)
        )
    except msgspec.MsgspecError as error:
        raise Unreachable(f"a watch of {kind.__name__} brought what is no event: {error}") from error
    meta = obj.metadata or ObjectMeta()
    return Change(event.type, obj, meta.resourceVersion or "")


def typed_doc(obj: store.Object) -> Doc:
    """An object as a document, with its apiVersion and kind."""
    info = paths.info(type(obj))
    doc = cast("Doc", msgspec.to_builtins(obj))
    return {**doc, "apiVersion": info.resource.api_version, "kind": info.resource.kind}


def _decode(data: bytes, kind: type[R]) -> R:
    return msgspec.json.decode(data, type=kind)


def _name(obj: store.Object) -> str:
    if obj.metadata is None or not obj.metadata.name:
        raise BadValue(f"metadata.name of a {type(obj).__name__}", None, '"web"')
    return obj.metadata.name


def _selector(labels: Labels) -> dict[str, str]:
    if not labels:
        return {}
    return {"labelSelector": labels if isinstance(labels, str) else ",".join(f"{k}={v}" for k, v in labels.items())}


async def _lines(answer: httpx2.Response) -> AsyncIterator[bytes]:
    """Lines as bytes; the library's own `aiter_lines` would decode each and split at odd separators."""
    held = bytearray()
    async for part in answer.aiter_bytes():
        held += part
        while (end := held.find(b"\n")) >= 0:
            line = bytes(held[:end])
            del held[: end + 1]
            if line.strip():
                yield line
        if len(held) > LINE:
            raise Unreachable(f"a watch brought a line of more than {LINE} bytes")
