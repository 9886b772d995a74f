"""The process `isthmus control tap`: the aggregated API on 8089 (HTTPS), admin on 9998. In: options, watches. Out: an exit code.

Watched: Pods and Services. The ConfigMap that says by whom the API server is known is read each FRONT seconds, as Kubernetes' own role
for it allows no watch: a new authority counts without a restart, and while it cannot be read the last one does.
Never here: choices (see `api`, `plan`).
"""

import argparse
import asyncio
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.resources.core_v1 import ConfigMap, Pod, Service

from isthmus import names, units
from isthmus.errors import IsthmusError
from isthmus.kube import access, store, watch
from isthmus.kube import client as kube
from isthmus.serve import https, plane, runtime, topics
from isthmus.tap import api, stream, world
from isthmus.tap.ask import caller, match

PORT = 8089
ADMIN_PORT = 9998
FRONT = 5.0
TLS_DIR = "/var/run/linkerd/tls"


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told."""

    trust_domain: str = names.CLUSTER_DOMAIN
    ignored: frozenset[str] = frozenset()
    tls_dir: str = TLS_DIR
    port: int = PORT
    admin_port: int = ADMIN_PORT
    log_level: str = "info"

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        """Reads `isthmus control tap`'s flags."""
        usual = cls()
        parser = argparse.ArgumentParser(prog="isthmus control tap")
        parser.add_argument("--trust-domain", default=usual.trust_domain)
        parser.add_argument(
            "--ignore-headers",
            dest="ignored",
            default="",
            metavar="NAMES",
            help="headers that are never told, comma separated",
        )
        parser.add_argument("--tls-dir", default=usual.tls_dir, help="folder with tls.crt and tls.key")
        parser.add_argument("--port", type=int, default=usual.port)
        parser.add_argument("--admin-port", type=int, default=usual.admin_port)
        parser.add_argument("--log-level", default=usual.log_level)
        said = vars(parser.parse_args(list(arguments)))
        said["ignored"] = units.header_names(said["ignored"], key="--ignore-headers")
        return cls(**said)


def main(options: Options) -> int:
    """Runs until it is told to stop."""

    async def start(process: runtime.Runtime) -> None:
        await wire(process, options, kube.Client(access.load()))

    return runtime.main("tap", start, admin_port=options.admin_port, log_level=options.log_level)


async def wire(process: runtime.Runtime, options: Options, client: kube.Client) -> None:
    """Watches into the world, requests into streams. Listens once pods and the front proxy's authority are known."""
    known, board = world.World(), topics.Board()
    pods: store.Store[Pod] = store.Store("Pod")
    services: store.Store[Service] = store.Store("Service")
    topics.follow(pods, board, known.put_pod, known.drop_pod)
    topics.follow(services, board, known.put_service, known.drop_service)
    front = Front(client, process.log)
    process.spawn(watch.Reflector(client, Pod, pods).run(), name="watch pods")
    process.spawn(watch.Reflector(client, Service, services).run(), name="watch services")
    process.spawn(front.run(), name="front proxy")
    process.ready_when("front proxy", front.known.is_set)
    for kept in (pods, services):
        process.ready_when(f"watch {kept.kind_name}", lambda kept=kept: kept.synced)
    meters = api.Meters(process.registry)
    observe = stream.observer(options.trust_domain)

    async def review(question: dict[str, Any]) -> dict[str, Any]:
        return await client.raw("POST", caller.REVIEW, question)

    def open_(asked: match.Asked, extended: bool) -> stream.Fan:  # noqa: FBT001 (a treaty of two)
        return stream.Fan(
            asked,
            known,
            observe,
            meters,
            extended=extended,
            trust_domain=options.trust_domain,
            ignored=options.ignored,
        )

    spoken = api.Api(lambda: front.trust, review, open_, meters, process.log)
    app, folder = api.application(spoken), pathlib.Path(options.tls_dir)

    async def serve() -> None:
        await plane.synced((pods, services))
        await front.known.wait()
        process.log.info("serving", port=options.port, allowed=list(front.trust.allowed))
        await https.serve(
            app,
            options.port,
            folder,
            process.log,
            authorities=lambda: front.trust.authority,
            registry=process.registry,
        )

    process.spawn(serve(), name="api")
    process.closing_last(client.close)


class Front:
    """By what the API server's front proxy is known. A ConfigMap that is gone trusts nobody."""

    def __init__(self, client: kube.Client, log: Any) -> None:
        self.trust = caller.Trusted()
        self.known = asyncio.Event()
        self._client = client
        self._log = log

    async def run(self) -> None:
        """For ever."""
        while True:
            try:
                found = await self._client.get(ConfigMap, caller.CONFIG, caller.CONFIG_NS)
                self._take(caller.trusted(cast("Mapping[str, str]", (found.data if found is not None else None) or {})))
            except IsthmusError as error:
                self._log.warning("the front proxy's authority cannot be read; the last one stays", why=error.sentence)
            await asyncio.sleep(FRONT)

    def _take(self, trust: caller.Trusted) -> None:
        if trust != self.trust or not self.known.is_set():
            self._log.info("front proxy", allowed=list(trust.allowed), authority=bool(trust.authority))
        self.trust = trust
        self.known.set()
