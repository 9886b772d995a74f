"""Speak `linkerd2.viz.Api`. In: its questions. Out: its answers.

Linkerd's clients look for what went wrong in the answer (`ResourceError`) where the message has room for it; elsewhere it is a status
and a sentence. Never here: arithmetic (see the tables), the network. Limits: those of `prometheus`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from google.protobuf import duration_pb2

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve import grpc
from isthmus.serve.refusal import Refused
from isthmus.viz import client
from isthmus.viz.answer import authz, edges, gateways, resolve, routes, stat
from isthmus.viz.ask import asker, window
from isthmus.viz.cluster import facts, kinds, world

A = TypeVar("A", pb.StatSummaryResponse, pb.EdgesResponse, pb.TopRoutesResponse, pb.GatewaysResponse, pb.AuthzResponse)
EVERYTHING = "all"


class Method(NamedTuple):
    """One method of a service: how its question is read and who answers."""

    service: str
    name: str
    decode: Callable[[bytes], Any]
    handler: Callable[[Any], Awaitable[grpc.Message]]


@dataclass(frozen=True, slots=True)
class Mesh:
    """What is fixed for the life of the process."""

    control_ns: str = names.CONTROL_NS
    cluster_domain: str = names.CLUSTER_DOMAIN
    trust_domain: str = names.CLUSTER_DOMAIN


class Api:
    """Linkerd's questions over one Prometheus and one world. `now` in seconds since 1970."""

    def __init__(self, ask: asker.Asker, known: world.World, mesh: Mesh, now: Callable[[], float]) -> None:
        self._ask = ask
        self._known = known
        self._mesh = mesh
        self._now = now

    def methods(self) -> list[Method]:
        """All that is answered."""
        rows: list[tuple[str, Callable[[bytes], Any], Callable[[Any], Awaitable[grpc.Message]]]] = [
            ("StatSummary", pb.StatSummaryRequest.FromString, self.stat_summary),
            ("Edges", pb.EdgesRequest.FromString, self.edges),
            ("Gateways", pb.GatewaysRequest.FromString, self.gateways),
            ("TopRoutes", pb.TopRoutesRequest.FromString, self.top_routes),
            ("ListPods", pb.ListPodsRequest.FromString, self.list_pods),
            ("ListServices", pb.ListServicesRequest.FromString, self.list_services),
            ("SelfCheck", pb.SelfCheckRequest.FromString, self.self_check),
            ("Authz", pb.AuthzRequest.FromString, self.authz),
        ]
        return [Method(client.API, *row) for row in rows]

    async def stat_summary(self, asked: pb.StatSummaryRequest) -> pb.StatSummaryResponse:
        """A table for each kind that was asked for."""

        async def answer() -> pb.StatSummaryResponse:
            over = window.read(asked.time_window)
            chosen = resolve.subjects(asked.selector, self._known)
            ends = self._ends(asked)
            if ends.any and len(chosen) > 1:
                chosen = [one for one in chosen if one.kind.word != "service"] if ends.to else chosen
            tables = await asyncio.gather(*(self._table(one, ends, over, asked) for one in chosen))
            return pb.StatSummaryResponse(ok=pb.StatSummaryResponse.Ok(stat_tables=tables))

        return await self._told(answer, pb.StatSummaryResponse, asked.selector.resource)

    def _ends(self, asked: pb.StatSummaryRequest) -> stat.Ends:
        match asked.WhichOneof("outbound"):
            case "to_resource":
                return stat.Ends(to=resolve.one(asked.to_resource, self._known))
            case "from_resource":
                return stat.Ends(source=resolve.one(asked.from_resource, self._known))
            case _:
                return stat.Ends()

    async def _table(
        self, subject: resolve.Subject, ends: stat.Ends, over: window.Window, asked: pb.StatSummaryRequest
    ) -> pb.StatTable:
        if asked.skip_stats:
            return stat.table(subject, stat.Ends(), self._known, None, stat.Answers(), over)
        plan = stat.plan(subject, ends, self._known, await self._ask.source(over), tcp=asked.tcp_stats)
        answers = stat.Answers(await self._ask.rows(plan.queries))
        return stat.table(subject, ends, self._known, plan, answers, over)

    async def edges(self, asked: pb.EdgesRequest) -> pb.EdgesResponse:
        """Who is connected to whom."""

        async def answer() -> pb.EdgesResponse:
            chosen = resolve.subjects(asked.selector, self._known)
            if asked.selector.resource.type.lower() == EVERYTHING:
                chosen = [one for one in chosen if one.kind.word in (*kinds.OWNERS, "pod")]
            source = await self._ask.source(window.read(""))
            queries = {one.kind.word: edges.ask(one, source) for one in chosen}
            rows = await self._ask.rows(queries)
            found = [
                edge
                for one in chosen
                for edge in edges.table(
                    one,
                    rows[one.kind.word],
                    self._known,
                    control_ns=self._mesh.control_ns,
                    trust_domain=self._mesh.trust_domain,
                )
            ]
            return pb.EdgesResponse(ok=pb.EdgesResponse.Ok(edges=found))

        return await self._told(answer, pb.EdgesResponse, asked.selector.resource)

    async def gateways(self, asked: pb.GatewaysRequest) -> pb.GatewaysResponse:
        """Gateways of linked clusters, as the service mirror sees them."""

        async def answer() -> pb.GatewaysResponse:
            over = window.read(asked.time_window)
            rows = await self._ask.rows(gateways.questions(await self._ask.source(over)))
            found = gateways.table(
                gateways.read(self._known, rows),
                cluster=asked.remote_cluster_name,
                namespace=asked.gateway_namespace,
                seconds=over.seconds,
            )
            return pb.GatewaysResponse(ok=pb.GatewaysResponse.Ok(gateways_table=found))

        return await self._told(answer, pb.GatewaysResponse, pb.Resource())

    async def top_routes(self, asked: pb.TopRoutesRequest) -> pb.TopRoutesResponse:
        """Golden metrics by route."""

        async def answer() -> pb.TopRoutesResponse:
            over = window.read(asked.time_window)
            subjects = resolve.subjects(asked.selector, self._known)
            to = resolve.one(asked.to_resource, self._known) if asked.WhichOneof("outbound") == "to_resource" else None
            source = await self._ask.source(over)
            made: list[pb.RouteTable] = []
            for one in subjects:
                if to is not None and one.kind.word == "service":
                    continue
                plan = routes.plan(one, to, self._known, source, self._mesh.cluster_domain)
                made += routes.tables(one, plan, await self._ask.rows(plan.queries), over, to)
            return pb.TopRoutesResponse(ok=pb.TopRoutesResponse.Ok(routes=made))

        return await self._told(answer, pb.TopRoutesResponse, asked.selector.resource)

    async def authz(self, asked: pb.AuthzRequest) -> pb.AuthzResponse:
        """Inbound requests by authorization."""

        async def answer() -> pb.AuthzResponse:
            over = window.read(asked.time_window)
            subject = resolve.one(asked.resource, self._known)
            if subject.kind.word in ("service", "authority"):
                raise Refused("invalid", f"authorizations are of workloads, not of a {subject.kind.word}")
            handle = resolve.handle(subject, self._known)
            rows = await self._ask.rows(authz.questions(handle, await self._ask.source(over)))
            table = authz.table(subject.kind.word, authz.read(handle.key, rows), over)
            return pb.AuthzResponse(ok=pb.AuthzResponse.Ok(stat_table=table))

        return await self._told(answer, pb.AuthzResponse, asked.resource)

    async def list_pods(self, asked: pb.ListPodsRequest) -> pb.ListPodsResponse:
        """Pods, of a namespace or of one resource."""
        resource = asked.selector.resource
        if not resource.type:
            resource = pb.Resource(type="namespace", name=resource.namespace)
        try:
            subject = resolve.one(
                resource, self._known, asked.selector.label_selector if resource.type == "pod" else ""
            )
        except Refused as why:
            raise grpc.refused(why) from None
        found = {
            pod.key: pod
            for key in resolve.keys(subject, self._known)
            for pod in self._known.members(subject.kind.word, key)
        }
        now = self._now()
        return pb.ListPodsResponse(pods=[_pod(pod, now) for _, pod in sorted(found.items(), key=lambda p: str(p[0]))])

    async def list_services(self, asked: pb.ListServicesRequest) -> pb.ListServicesResponse:
        """Services of a namespace, or all."""
        found = sorted(self._known.find("service", asked.namespace), key=str)
        return pb.ListServicesResponse(services=[pb.Service(name=k.name, namespace=k.namespace) for k in found])

    async def self_check(self, _: pb.SelfCheckRequest) -> pb.SelfCheckResponse:
        """Whether what this process needs is there."""
        result = pb.CheckResult(SubsystemName="prometheus", CheckDescription="control plane can talk to Prometheus")
        try:
            await self._ask.well()
        except IsthmusError as error:
            result.Status = pb.FAIL
            result.FriendlyMessageToUser = str(error.sentence)
        return pb.SelfCheckResponse(results=[result])

    async def _told(self, answer: Callable[[], Awaitable[A]], kind: Callable[..., A], about: pb.Resource) -> A:
        """An answer, or the sentence of what went wrong where Linkerd's clients look for it."""
        try:
            return await answer()
        except (Refused, IsthmusError) as why:
            return kind(error=pb.ResourceError(resource=about, error=str(why.sentence)))


_OWNERS = {
    "deployment": "deployment",
    "replicaset": "replica_set",
    "replicationcontroller": "replication_controller",
    "statefulset": "stateful_set",
    "daemonset": "daemon_set",
    "job": "job",
}


def _pod(pod: facts.Pod, now: float) -> pb.Pod:
    made = pb.Pod(
        name=f"{pod.key.namespace}/{pod.key.name}",
        podIP=pod.ip,
        status=pod.phase,
        added=bool(pod.control_ns),
        controllerNamespace=pod.control_ns,
        controlPlane=pod.component,
        uptime=duration_pb2.Duration(seconds=int(max(0.0, now - pod.started)) if pod.started else 0),
        proxyReady=pod.proxy_ready,
        proxyVersion=pod.proxy_version,
        resourceVersion=pod.version,
    )
    kind, name = pod.owner
    if kind in _OWNERS:
        setattr(made, _OWNERS[kind], f"{pod.key.namespace}/{name}")
    return made


def services(methods: list[Method]) -> list[grpc.Service]:
    """The methods as gRPC services."""
    found = {one.service: grpc.Service(one.service) for one in methods}
    for one in methods:
        found[one.service].unary(one.name, one.decode, _spoken(one.handler))
    return list(found.values())


def _spoken(handler: Callable[[Any], Awaitable[grpc.Message]]) -> Callable[[Any], Awaitable[grpc.Message]]:
    """Refusals as statuses."""

    async def call(question: Any) -> grpc.Message:
        try:
            return await handler(question)
        except Refused as why:
            raise grpc.refused(why) from None
        except IsthmusError as why:
            raise grpc.Refusal(grpc.Code.UNAVAILABLE, str(why.sentence)) from None

    return call


def by_path(methods: list[Method]) -> dict[str, Callable[[bytes], Awaitable[bytes]]]:
    """The methods as the door knows them: `<service>/<method>`, bytes both ways."""

    def plain(one: Method) -> Callable[[bytes], Awaitable[bytes]]:
        async def call(body: bytes) -> bytes:
            return grpc.encode(await one.handler(one.decode(body)))

        return call

    return {f"{one.service}/{one.name}": plain(one) for one in methods}
