"""Speak `inbound.InboundServerPolicies` and `outbound.OutboundPolicies`. In: PortSpec, TrafficSpec. Out: a policy, or a stream of them.

A stream sends again whenever what it would say differs, and never a state that is old. A pod that asks before our watch has brought
it waits KNOWN seconds for that. Never here: choices. Limits: those of `serve.topics.Board`; WORKLOAD bytes of a workload's name.
"""

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

from isthmus import names, service
from isthmus.policy import inbound, outbound, world
from isthmus.rpc import inbound_pb2, net_pb2, outbound_pb2
from isthmus.serve import grpc, latest, refusal, topics

KNOWN = 2.0
WORKLOAD = 4096
DEFAULT_PORT = 80

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question:
    """What a stream is about: `same` is equal for streams that are told the same; `topics` can change the answer."""

    same: Hashable
    topics: tuple[topics.Topic, ...]
    ask: Callable[[], bytes]


def workload(text: str) -> names.Key | None:
    """The pod a workload's name means: JSON `{"ns", "pod"}` or `<ns>:<pod>`; None where it is no pod's."""
    if not text.startswith("{"):
        namespace, _, pod = text.partition(":")
        return names.Key(namespace, pod) if namespace and pod else None
    try:
        found: Any = json.loads(text[:WORKLOAD])
    except ValueError:
        return None
    fields = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    namespace, pod = fields.get("ns"), fields.get("pod")
    return names.Key(str(namespace), str(pod)) if namespace and pod else None


def address(ip: net_pb2.IPAddress) -> str:
    """An address, written the usual way.

    Raises:
        refusal.Refused: there is none.
    """
    match ip.WhichOneof("ip"):
        case "ipv4":
            return str(ipaddress.IPv4Address(ip.ipv4))
        case "ipv6":
            return str(ipaddress.IPv6Address(ip.ipv6.first << 64 | ip.ipv6.last))
        case _:
            raise refusal.Refused("invalid", "the target has no address")


class Api:
    """Both services of the plane over one world."""

    def __init__(self, known: world.World, board: topics.Board) -> None:
        self._known = known
        self._board = board
        self.memo = topics.Memo(board)
        self.streams = 0

    def services(self) -> list[grpc.Service]:
        """Ready to be served."""
        ports = grpc.Service("io.linkerd.proxy.inbound.InboundServerPolicies")
        ports.unary("GetPort", inbound_pb2.PortSpec.FromString, self.get_port)
        ports.stream("WatchPort", inbound_pb2.PortSpec.FromString, self.watch_port)
        policies = grpc.Service("io.linkerd.proxy.outbound.OutboundPolicies")
        policies.unary("Get", outbound_pb2.TrafficSpec.FromString, self.get)
        policies.stream("Watch", outbound_pb2.TrafficSpec.FromString, self.watch)
        return [ports, policies]

    async def get_port(self, spec: inbound_pb2.PortSpec) -> bytes:
        """What holds for a port now."""
        return _refused((await self._inbound(spec)).ask)

    async def watch_port(self, spec: inbound_pb2.PortSpec) -> AsyncIterator[bytes]:
        """What holds for a port, again whenever it differs."""
        async for each in self._follow(await self._inbound(spec)):
            yield each

    async def get(self, spec: outbound_pb2.TrafficSpec) -> bytes:
        """How traffic is routed now."""
        return _refused(lambda: self._outbound(spec).ask())

    async def watch(self, spec: outbound_pb2.TrafficSpec) -> AsyncIterator[bytes]:
        """How traffic is routed, again whenever it differs."""
        async for each in self._follow(_refused(lambda: self._outbound(spec))):
            yield each

    async def _follow(self, question: Question) -> AsyncIterator[bytes]:
        wake, before = latest.Wake(), b"\xff"  # equal to no message
        self.streams += 1
        try:
            shared = self.memo.shared(question.same, question.topics, question.ask)
            with shared as answer, self._board.joined(question.topics, wake.ring):
                while True:
                    found = _refused(answer)
                    if found != before:
                        before = found
                        yield found
                    await wake.wait()
        except topics.Full:
            raise grpc.full() from None
        finally:
            self.streams -= 1

    async def _inbound(self, spec: inbound_pb2.PortSpec) -> Question:
        key = workload(spec.workload)
        if key is None or not 0 < spec.port < 65536:
            sentence = f"{spec.workload!r} port {spec.port} is no pod's port"
            raise grpc.Refusal(grpc.Code.INVALID_ARGUMENT if key else grpc.Code.NOT_FOUND, sentence)
        topic = world.PodTopic(key)
        await self._wait(topic, lambda: key in self._known.pods)

        def ask() -> bytes:
            pod = self._known.pods.get(key)
            if pod is None or not pod.control_ns:
                raise refusal.Refused("missing", f"there is no meshed Pod {key}")
            return inbound.answer(self._known, pod, spec.port).SerializeToString(deterministic=True)

        return Question((key, spec.port), (topic, world.SpaceTopic(key.namespace), world.AUTHENTICATIONS), ask)

    async def _wait(self, topic: topics.Topic, known: Callable[[], bool]) -> None:
        """A new pod's proxy may be faster than our watch."""
        wake = latest.Wake()
        try:
            with self._board.joined((topic,), wake.ring):
                async with asyncio.timeout(KNOWN):
                    while not known():
                        await wake.wait()
        except (TimeoutError, topics.Full):
            return

    def _outbound(self, spec: outbound_pb2.TrafficSpec) -> Question:
        source = workload(spec.source_workload)
        client_ns = source.namespace if source else ""
        if spec.WhichOneof("target") == "addr":
            ip, port = address(spec.addr.ip), spec.addr.port
            asked = partial(outbound.by_address, self._known, ip, port, client_ns)
            return Question((ip, port, client_ns), (ip,), lambda: _bytes(asked()))
        host, _, text = spec.authority.partition(":")
        if text and not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
            raise refusal.Refused("invalid", f"{spec.authority!r} has no port from 1 to 65535")
        found, port = service.name_of(host, self._known.mesh.cluster_domain), int(text or DEFAULT_PORT)
        if found is not None and found[0]:
            self._exported(source, found[1])
        if found is None or found[0]:
            raise refusal.Refused("missing", f"{host!r} is no Service")
        key = found[1]

        def ask() -> bytes:
            self._exported(source, key)
            return _bytes(outbound.by_name(self._known, key, port, client_ns))

        asker = (world.PodTopic(source),) if source else ()
        return Question((key, port, source), (key, *asker), ask)

    def _exported(self, source: names.Key | None, key: names.Key) -> None:
        """Whether a pod may ask for a Service by its name: a gateway asks for other clusters (docs/decisions/0011).

        Raises:
            Refused: it may not.
        """
        pod, found = self._known.pods.get(source) if source else None, self._known.services.get(key)
        if pod is not None and pod.gateway and found is not None and not found.exported:
            sentence = f"Service {key} is not exported: other clusters reach what has the label {names.EXPORTED}=true"
            raise refusal.Refused("conflict", sentence)


def _bytes(found: outbound_pb2.OutboundPolicy) -> bytes:
    return found.SerializeToString(deterministic=True)


def _refused(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except refusal.Refused as why:
        raise grpc.refused(why) from None
