"""Our metrics API over Kubernetes objects that a file holds instead of an API server. In: `viz.py PORT FILE PROMETHEUS`. Out: HTTP.

All of it but its watches and gRPC. Run as a child beside the tests' own process; never imported by tests.
"""

import asyncio
import json
import pathlib
import socket
import sys
import time
from typing import Any

import msgspec

from isthmus.kube import crds, slim
from isthmus.serve import web
from isthmus.viz import api, door, insight, run
from isthmus.viz.ask import asker, prometheus
from isthmus.viz.cluster import world


def read(file: pathlib.Path) -> world.World:
    """The objects of the file, in a world."""
    known = world.World()
    for doc in json.loads(file.read_text()):
        if doc["kind"] == "Pod":
            known.put_pod(msgspec.convert(doc, slim.Pod, strict=False))
        for kind, word in run.KINDS:
            resource: Any = kind._api_info.resource
            if doc["kind"] == resource.kind and doc["apiVersion"] == f"{resource.group}/{resource.version}".lstrip("/"):
                made: Any = (
                    kind.from_dict(doc) if issubclass(kind, crds.Custom) else msgspec.convert(doc, kind, strict=False)
                )
                known.put(word, made)
    return known


async def main(port: int, file: pathlib.Path, url: str) -> None:
    known = read(file)
    ask = asker.Asker(prometheus.Prometheus(url))
    methods = [*api.Api(ask, known, api.Mesh(), time.time).methods(), *insight.Insight(ask, known).methods()]
    sock = socket.create_server(("127.0.0.1", port))
    print("serving", flush=True)
    await web.plain(door.Door(api.by_path(methods), known, lambda: True), sock)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]))
