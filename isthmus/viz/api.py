"""Speak `linkerd2.viz.Api` and `isthmus.viz.Insight`. In: their questions, from gRPC or the door. Out: their answers.

Linkerd's clients look for what went wrong in the answer (`ResourceError`) where the message has room for it; elsewhere it is a status
and a sentence. Never here: arithmetic (see the tables), the network.
"""

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from isthmus.errors import IsthmusError
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve import grpc
from isthmus.viz import client, prometheus, world


class Method(NamedTuple):
    """One method of a service: how its question is read and who answers."""

    service: str
    name: str
    decode: Callable[[bytes], Any]
    handler: Callable[[Any], Awaitable[grpc.Message]]


class Api:
    """Both services over one Prometheus and one world."""

    def __init__(self, asked: prometheus.Prometheus, known: world.World) -> None:
        self._prometheus = asked
        self._known = known

    def methods(self) -> list[Method]:
        """All that is answered."""
        return [Method(client.API, "SelfCheck", pb.SelfCheckRequest.FromString, self.self_check)]

    async def self_check(self, _: pb.SelfCheckRequest) -> pb.SelfCheckResponse:
        """Whether what this process needs is there."""
        result = pb.CheckResult(SubsystemName="prometheus", CheckDescription="control plane can talk to Prometheus")
        try:
            await self._prometheus.instant("vector(1)")
        except IsthmusError as error:
            result.Status = pb.FAIL
            result.FriendlyMessageToUser = str(error.sentence)
        return pb.SelfCheckResponse(results=[result])


def services(methods: list[Method]) -> list[grpc.Service]:
    """The methods as gRPC services."""
    found = {one.service: grpc.Service(one.service) for one in methods}
    for one in methods:
        found[one.service].unary(one.name, one.decode, one.handler)
    return list(found.values())


def by_path(methods: list[Method]) -> dict[str, Callable[[bytes], Awaitable[bytes]]]:
    """The methods as the door knows them: `<service>/<method>`, bytes both ways."""

    def plain(one: Method) -> Callable[[bytes], Awaitable[bytes]]:
        async def call(body: bytes) -> bytes:
            return grpc.encode(await one.handler(one.decode(body)))

        return call

    return {f"{one.service}/{one.name}": plain(one) for one in methods}
