"""A very small API server as a transport: ConfigMaps in one namespace, and Leases; list in pages, watch, 409, 410. For unit tests only.

Whatever touches the API's real behaviour is proven in tests/api against a real kube-apiserver.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context

from isthmus.kube import access, client

Doc = dict[str, Any]


def status(code: int, reason: str = "") -> httpx2.Response:
    return httpx2.Response(code, json={"kind": "Status", "code": code, "reason": reason, "message": f"told {code}"})


class Memory(httpx2.AsyncBaseTransport):
    """Objects by path; a log of events; faults to order. `calls` remembers what was asked."""

    def __init__(self) -> None:
        self.version = 1
        self.oldest = 0
        self.objects: dict[str, Doc] = {}
        self.log: list[tuple[int, str, Doc]] = []
        self.faults: list[httpx2.Response | Exception] = []
        self.news = asyncio.Event()
        self.calls: list[str] = []
        self.drop_watches = False

    def put(self, name: str, value: str = "", plural: str = "configmaps") -> None:
        self.store(
            f"/api/v1/namespaces/ns/{plural}/{name}",
            {"metadata": {"name": name, "namespace": "ns"}, "data": {"v": value}},
        )

    def store(self, path: str, doc: Doc) -> Doc:
        self.version += 1
        kind = "MODIFIED" if path in self.objects else "ADDED"
        doc["metadata"] |= {"resourceVersion": str(self.version), "uid": f"uid-{path}"}
        self.objects[path] = doc
        self._tell(kind, doc)
        return doc

    def remove(self, name: str) -> None:
        self.version += 1
        doc = self.objects.pop(f"/api/v1/namespaces/ns/configmaps/{name}")
        self._tell("DELETED", {**doc, "metadata": {**doc["metadata"], "resourceVersion": str(self.version)}})

    def compact(self) -> None:
        """Forget the past, as etcd does: older versions are answered with 410."""
        self.oldest = self.version
        self.log.clear()

    def _tell(self, kind: str, doc: Doc) -> None:
        self.log.append((self.version, kind, doc))
        self.news.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(f"{request.method} {request.url.raw_path.decode()}")
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, Exception):
                raise fault
            return fault
        path, query = request.url.path, dict(request.url.params)
        match request.method:
            case "GET" if "watch" in query:
                return self._watch(path, int(query["resourceVersion"]))
            case "GET" if path in self.objects:
                return httpx2.Response(200, json=self.objects[path])
            case "GET" if path.endswith(("/configmaps", "/leases")):
                return self._list(path, query)
            case "POST" | "PUT" | "PATCH":
                return self._write(request)
            case "DELETE" if path in self.objects:
                del self.objects[path]
                return httpx2.Response(200, json={"kind": "Status"})
            case _:
                return status(404, "NotFound")

    def _list(self, path: str, query: dict[str, str]) -> httpx2.Response:
        start, limit = int(query.get("continue", "0")), int(query["limit"])
        found = [d for p, d in sorted(self.objects.items()) if p.startswith(path)]
        more = str(start + limit) if start + limit < len(found) else ""
        meta = {"resourceVersion": str(self.version), "continue": more}
        return httpx2.Response(200, json={"metadata": meta, "items": found[start : start + limit]})

    def _watch(self, path: str, after: int) -> httpx2.Response:
        if after < self.oldest:
            return status(410, "Expired")

        async def lines() -> AsyncIterator[bytes]:
            seen = after
            while not self.drop_watches:
                for version, kind, doc in list(self.log):
                    if version > seen:
                        seen = version
                        yield json.dumps({"type": kind, "object": doc}).encode() + b"\n"
                self.news.clear()
                await self.news.wait()
            self.drop_watches = False
            raise httpx2.ReadError("dropped")

        return httpx2.Response(200, content=lines())

    def _write(self, request: httpx2.Request) -> httpx2.Response:
        doc = json.loads(request.content)
        path = request.url.path if request.method != "POST" else f"{request.url.path}/{doc['metadata']['name']}"
        here = self.objects.get(path)
        if request.method == "POST" and here:
            return status(409, "AlreadyExists")
        if request.method == "PUT":
            if here is None:
                return status(404, "NotFound")
            if doc["metadata"].get("resourceVersion") not in (None, here["metadata"]["resourceVersion"]):
                return status(409, "Conflict")
        merged = {**(here or {}), **doc, "metadata": {**(here or {}).get("metadata", {}), **doc.get("metadata", {})}}
        return httpx2.Response(200, json=self.store(path, merged))


def reach() -> access.Access:
    config = SingleConfig("east", Context(cluster="east"), Cluster(server="http://api.invalid"))
    return access.Access("east", "http://api.invalid", "ns", config)


def speak(memory: httpx2.AsyncBaseTransport) -> client.Client:
    return client.Client(reach(), transport=memory)
