"""The process `isthmus control metrics-api`: gRPC on 8085, HTTP on 8087, admin on 9995. In: options. Out: an exit code.

It is ready once every watch has brought a whole list; it serves while Prometheus is away, and answers with that. Never here: answers.
"""

import argparse
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isthmus import names
from isthmus.kube import access, crds, slim, store, watch
from isthmus.kube import client as kube
from isthmus.serve import plane, runtime, topics, web
from isthmus.viz import api, door, insight
from isthmus.viz.ask import asker, prometheus
from isthmus.viz.cluster import world

GRPC_PORT, HTTP_PORT, ADMIN_PORT = 8085, 8087, 9995
URL = f"http://prometheus.{names.VIZ_NS}.svc.{names.CLUSTER_DOMAIN}:9090"


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told."""

    prometheus_url: str = URL
    control_ns: str = names.CONTROL_NS
    cluster_domain: str = names.CLUSTER_DOMAIN
    trust_domain: str = names.CLUSTER_DOMAIN
    port: int = GRPC_PORT
    http_port: int = HTTP_PORT
    admin_port: int = ADMIN_PORT
    log_level: str = "info"

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        """Reads `isthmus control metrics-api`'s flags."""
        usual = cls()
        parser = argparse.ArgumentParser(prog="isthmus control metrics-api")
        parser.add_argument("--prometheus-url", default=usual.prometheus_url)
        parser.add_argument("--control-namespace", dest="control_ns", default=usual.control_ns)
        parser.add_argument("--cluster-domain", default=usual.cluster_domain)
        parser.add_argument("--trust-domain", default=usual.trust_domain)
        parser.add_argument("--port", type=int, default=usual.port)
        parser.add_argument("--http-port", type=int, default=usual.http_port)
        parser.add_argument("--admin-port", type=int, default=usual.admin_port)
        parser.add_argument("--log-level", default=usual.log_level)
        return cls(**vars(parser.parse_args(list(arguments))))


def main(options: Options) -> int:
    """Runs until it is told to stop."""

    async def start(process: runtime.Runtime) -> None:
        await wire(process, options, kube.Client(access.load()))

    return runtime.main("metrics-api", start, admin_port=options.admin_port, log_level=options.log_level)


KINDS: tuple[tuple[type[Any], str], ...] = (
    (slim.Namespace, "namespace"),
    (slim.Service, "service"),
    (slim.Deployment, "deployment"),
    (slim.ReplicaSet, "replicaset"),
    (slim.StatefulSet, "statefulset"),
    (slim.DaemonSet, "daemonset"),
    (slim.ReplicationController, "replicationcontroller"),
    (slim.Job, "job"),
    (slim.CronJob, "cronjob"),
    (crds.Server, "server"),
    (crds.ServerAuthorization, "serverauthorization"),
    (crds.AuthorizationPolicy, "authorizationpolicy"),
    (crds.LinkerdHTTPRoute, "httproute"),
    (crds.HTTPRoute, "gateway/httproute"),
    (crds.GRPCRoute, "grpcroute"),
    (crds.ServiceProfile, "serviceprofile"),
    (crds.Link, "link"),
)
"""What is watched beside pods, and by which word the world knows it."""


def feeds(known: world.World) -> list[plane.Feed]:
    """Which collection goes where in the world."""

    def one(kind: type[Any], word: str) -> plane.Feed:
        optional = issubclass(kind, crds.Custom)
        return kind, optional, lambda obj: known.put(word, obj), lambda key: known.drop(word, key)

    return [(slim.Pod, False, known.put_pod, known.drop_pod), *(one(*row) for row in KINDS)]


async def wire(process: runtime.Runtime, options: Options, client: kube.Client) -> world.World:
    """Watches into the world, world and Prometheus into answers, answers into gRPC and HTTP."""
    known, board = world.World(), topics.Board()
    stores: list[store.Store[Any]] = []
    for kind, optional, put, drop in feeds(known):
        kept: store.Store[Any] = store.Store(kind.__name__)
        topics.follow(kept, board, put, drop)
        process.spawn(watch.Reflector(client, kind, kept, optional=optional).run(), name=f"watch {kind.__name__}")
        process.ready_when(f"watch {kind.__name__}", lambda kept=kept: kept.synced)
        stores.append(kept)
    asked = prometheus.Prometheus(options.prometheus_url)
    mesh = api.Mesh(options.control_ns, options.cluster_domain, options.trust_domain)
    ask = asker.Asker(asked)
    methods = [*api.Api(ask, known, mesh, time.time).methods(), *insight.Insight(ask, known).methods()]
    plane.open_when_synced(process, stores, api.services(methods), options.port)
    synced = door.Door(api.by_path(methods), known, lambda: all(one.synced for one in stores))
    process.spawn(web.plain(synced, listen(options.http_port)), name="http")
    process.closing_last(client.close)
    process.closing_last(asked.close)
    measure(process, asked)
    return known


def listen(port: int) -> socket.socket:
    """A listening socket on all addresses, of both families where the machine has both; 0 takes a free port."""
    if socket.has_dualstack_ipv6():
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    return socket.create_server(("0.0.0.0", port), backlog=128)


def measure(process: runtime.Runtime, asked: prometheus.Prometheus) -> None:
    """Gauges, read when asked."""
    rows = [
        ("viz_prometheus_questions", "questions that went to Prometheus", lambda: asked.asked),
        ("viz_samples_dropped", "samples that were no numbers or too many", lambda: asked.lost),
        ("viz_answers_kept", "answers of Prometheus that are held to be told again, or waited for", lambda: asked.kept),
    ]
    plane.gauges(process.registry, rows)
