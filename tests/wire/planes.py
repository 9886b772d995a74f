"""Our own destination and policy planes on one port, over Kubernetes objects that a file holds instead of an API server.

In: `planes.py PORT FILE`; the file is a JSON list of objects (see `tests.wire.cluster`), read again when it changes. Out: gRPC.
All of the planes but their watches: stores are fed with whole lists. Run as a child in a pod's network namespace.
"""

import asyncio
import json
import pathlib
import sys
import time
from typing import Any

from isthmus.destination import api as destination_api
from isthmus.destination import run as destination
from isthmus.destination import world as destination_world
from isthmus.kube import store
from isthmus.policy import api as policy_api
from isthmus.policy import run as policy
from isthmus.policy import world as policy_world
from isthmus.serve import grpc, topics

LOOK = 0.02


def stores(feeds: list[Any], board: topics.Board) -> list[tuple[type[Any], store.Store[Any]]]:
    """A store for each kind a plane reads, followed by its world."""
    made: list[tuple[type[Any], store.Store[Any]]] = []
    for kind, _, put, drop in feeds:
        kept: store.Store[Any] = store.Store(kind.__name__)
        topics.follow(kept, board, put, drop)
        made.append((kind, kept))
    return made


def feed(into: list[tuple[type[Any], store.Store[Any]]], listed: list[dict[str, Any]]) -> None:
    for kind, kept in into:
        resource = kind._api_info.resource
        api = f"{resource.group}/{resource.version}".lstrip("/")
        mine = [d for d in listed if (d["kind"], d["apiVersion"]) == (resource.kind, api)]
        kept.feed_list([kind.from_dict(one) for one in mine])


def look(file: pathlib.Path, before: int) -> tuple[int, list[dict[str, Any]]]:
    """When the file was written, and what it holds where that is news."""
    stamp = file.stat().st_mtime_ns
    return stamp, json.loads(file.read_text()) if stamp != before else []


async def main(port: int, file: pathlib.Path) -> None:
    known, rules = destination_world.World(destination.Options().mesh()), policy_world.World(policy.Options().mesh())
    boards = topics.Board(), topics.Board()
    kept = [*stores(destination.feeds(known), boards[0]), *stores(policy.feeds(rules), boards[1])]
    stamp, listed = look(file, 0)
    feed(kept, listed)
    endpoints = destination_api.Api(known, boards[0], time.monotonic)
    services = [endpoints.service(), *policy_api.Api(rules, boards[1]).services()]
    server = await grpc.serve(services, f"0.0.0.0:{port}")
    sys.stdout.write(f"serving {server.port}\n")
    sys.stdout.flush()
    while True:
        stamp, listed = look(file, stamp)
        if listed:
            feed(kept, listed)
        await asyncio.sleep(LOOK)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), pathlib.Path(sys.argv[2])))
