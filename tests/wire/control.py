"""A control plane that says what a file says: identity, destination and policy on one port, for one pod.

In: `control.py PORT STATE_FILE CA_FOLDER`; the file is JSON (see `world.State`) and is read again when it changes.
Out: certificates signed with the folder's root, and one stream per question that follows the file. An answer is either short (see
`world`) or `{"proto": {...}}`: the whole message in protobuf's JSON form, so that a test can say everything the API can.
Run as a child process in a pod's network namespace; never imported by tests. Streams are bounded by the proxy that opens them.
"""

import asyncio
import datetime
import ipaddress
import json
import pathlib
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import google.protobuf.json_format
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.rpc import destination_pb2, identity_pb2, inbound_pb2, meta_pb2, net_pb2, outbound_pb2
from isthmus.rpc import http_route_pb2 as routes_pb2

LOOK = 0.02
Said = dict[str, Any]


class File:
    """The state file and whoever waits for its next version."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self.stamp = 0
        self.state: Said = {}
        self.changed = asyncio.Condition()

    async def follow(self) -> None:
        while True:
            stamp = self.path.stat().st_mtime_ns
            if stamp != self.stamp:
                async with self.changed:
                    self.stamp, self.state = stamp, json.loads(self.path.read_text())
                    self.changed.notify_all()
            await asyncio.sleep(LOOK)

    def ask(self, kind: str, key: str) -> Any:
        return self.state.get(kind, {}).get(key)

    async def versions(self, make: Callable[[], Any]) -> AsyncIterator[Any]:
        """What `make` says now, and again whenever it says something else."""
        last = object()
        while True:
            new = make()
            if new != last:
                last = new
                yield new
            async with self.changed:
                seen = self.stamp
                await self.changed.wait_for(lambda seen=seen: self.stamp != seen)


def whole(said: Any, message: Any) -> Any:
    """The message that `said` spells out; None when it is a short form."""
    if not isinstance(said, dict) or "proto" not in said:
        return None
    return google.protobuf.json_format.ParseDict(said["proto"], message)


def ip(text: str) -> net_pb2.IPAddress:
    number = ipaddress.ip_address(text)
    if number.version == 4:
        return net_pb2.IPAddress(ipv4=int(number))
    high, low = divmod(int(number), 1 << 64)
    return net_pb2.IPAddress(ipv6=net_pb2.IPv6(first=high, last=low))


def spelled(addr: net_pb2.TcpAddress) -> str:
    """`10.0.0.1:80` or `[fd00::1]:80`."""
    if addr.ip.HasField("ipv6"):
        return f"[{ipaddress.IPv6Address((addr.ip.ipv6.first << 64) | addr.ip.ipv6.last)}]:{addr.port}"
    return f"{ipaddress.IPv4Address(addr.ip.ipv4)}:{addr.port}"


def tcp(text: str) -> net_pb2.TcpAddress:
    host, _, port = text.rpartition(":")
    return net_pb2.TcpAddress(ip=ip(host.strip("[]")), port=int(port))


def meta(kind: str, name: str, port: int = 0) -> meta_pb2.Metadata:
    resource = meta_pb2.Resource(group="core", kind=kind, name=name, namespace="default", port=port)
    return meta_pb2.Metadata(resource=resource)


def default(name: str) -> meta_pb2.Metadata:
    return meta_pb2.Metadata(default=name)


def weighted(said: Said) -> destination_pb2.WeightedAddr:
    weight = said.get("weight", 10_000)
    out = destination_pb2.WeightedAddr(addr=tcp(said["addr"]), weight=weight, metric_labels=said.get("labels", {}))
    if said.get("id"):
        out.tls_identity.dns_like_identity.name = said["id"]
        out.tls_identity.server_name.name = said["id"]
    if said.get("hint") == "h2":
        out.protocol_hint.h2.SetInParent()
    if said.get("hint") == "opaque":
        out.protocol_hint.opaque.SetInParent()
    if said.get("inbound_port"):
        out.protocol_hint.opaque_transport.inbound_port = said["inbound_port"]
    if said.get("authority"):
        out.authority_override.authority_override = said["authority"]
    return out


def backend(path: str) -> outbound_pb2.Backend:
    name, _, port = path.rpartition(":")
    out = outbound_pb2.Backend(metadata=meta("Service", name.split(".")[0], int(port)))
    out.queue.capacity = 100
    out.queue.failfast_timeout.FromTimedelta(datetime.timedelta(seconds=1))
    out.balancer.discovery.dst.path = path
    out.balancer.peak_ewma.default_rtt.FromTimedelta(datetime.timedelta(milliseconds=30))
    out.balancer.peak_ewma.decay.FromTimedelta(datetime.timedelta(seconds=10))
    return out


def http_route(split: dict[str, int]) -> outbound_pb2.HttpRoute:
    arms = [
        outbound_pb2.HttpRoute.WeightedRouteBackend(
            backend=outbound_pb2.HttpRoute.RouteBackend(backend=backend(path)), weight=weight
        )
        for path, weight in split.items()
    ]
    random = outbound_pb2.HttpRoute.Distribution.RandomAvailable(backends=arms)
    everything = routes_pb2.HttpRouteMatch(path=routes_pb2.PathMatch(prefix="/"))
    rule = outbound_pb2.HttpRoute.Rule(
        matches=[everything], backends=outbound_pb2.HttpRoute.Distribution(random_available=random)
    )
    return outbound_pb2.HttpRoute(metadata=default("http"), rules=[rule])


def opaque(split: dict[str, int]) -> outbound_pb2.ProxyProtocol.Opaque:
    first = [outbound_pb2.OpaqueRoute.RouteBackend(backend=backend(path)) for path in split]
    available = outbound_pb2.OpaqueRoute.Distribution.FirstAvailable(backends=first)
    rule = outbound_pb2.OpaqueRoute.Rule(backends=outbound_pb2.OpaqueRoute.Distribution(first_available=available))
    return outbound_pb2.ProxyProtocol.Opaque(
        routes=[outbound_pb2.OpaqueRoute(metadata=default("opaque"), rules=[rule])]
    )


def policy(said: Said) -> outbound_pb2.OutboundPolicy:
    if spelled := whole(said, outbound_pb2.OutboundPolicy()):
        return spelled
    split: dict[str, int] = said["split"]
    out = outbound_pb2.OutboundPolicy(metadata=meta("Service", said["parent"], said.get("port", 80)))
    if said.get("kind") == "opaque":
        out.protocol.opaque.CopyFrom(opaque(split))
        return out
    detect = out.protocol.detect
    detect.timeout.FromTimedelta(datetime.timedelta(seconds=10))
    detect.opaque.CopyFrom(opaque(split))
    detect.http1.routes.append(http_route(split))
    detect.http2.routes.append(http_route(split))
    return out


def profile(said: Said) -> destination_pb2.DestinationProfile:
    if spelled := whole(said, destination_pb2.DestinationProfile()):
        return spelled
    out = destination_pb2.DestinationProfile(
        fully_qualified_name=said.get("fqn", ""), opaque_protocol=said.get("opaque", False)
    )
    for path, weight in said.get("overrides", {}).items():
        out.dst_overrides.add(authority=path, weight=weight)
    if said.get("endpoint"):
        out.endpoint.CopyFrom(weighted(said["endpoint"]))
    return out


def server(mode: Any) -> inbound_pb2.Server:
    """`allow`, `deny`, `mtls`, `opaque`, or a whole message."""
    if spelled := whole(mode, inbound_pb2.Server()):
        return spelled
    out = inbound_pb2.Server(labels={"group": "", "kind": "default", "name": mode})
    if mode == "opaque":
        out.protocol.opaque.SetInParent()
    else:
        out.protocol.detect.timeout.FromTimedelta(datetime.timedelta(seconds=10))
        route = out.protocol.detect.http_routes.add(metadata=default("default"))
        route.rules.add().matches.add().path.prefix = "/"
    if mode != "deny":
        authz = out.authorizations.add(labels={"group": "", "kind": "default", "name": mode}, metadata=default(mode))
        for everything in ("0.0.0.0", "::"):
            authz.networks.add(net=net_pb2.IPNetwork(ip=ip(everything), prefix_len=0))
        if mode == "mtls":
            authz.authentication.meshTLS.identities.suffixes.add()
        else:
            authz.authentication.unauthenticated.SetInParent()
    return out


def same_pod(token: str) -> bool:
    """Whether a context or workload is the one that `pods.Pod.environment` gave: whole JSON with a namespace and a pod."""
    try:
        said = json.loads(token)
    except ValueError:
        return False
    return said.get("ns") == "default" and bool(said.get("pod"))


def encode(message: Any) -> bytes:
    return message.SerializeToString()


class Plane:
    """The three services."""

    def __init__(self, file: File, ca: pathlib.Path) -> None:
        self.file = file
        self.ca = ca

    async def certify(self, request: identity_pb2.CertifyRequest, context: Any) -> identity_pb2.CertifyResponse:
        if not request.token:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "a token is needed")
        # Read each time: a test may put another root there.
        root = x509.load_pem_x509_certificate((self.ca / "ca.pem").read_bytes())
        key: Any = serialization.load_pem_private_key((self.ca / "ca.key").read_bytes(), None)
        csr = x509.load_der_x509_csr(request.certificate_signing_request)
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if not csr.is_signature_valid or names.get_values_for_type(x509.DNSName) != [request.identity]:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the request is not for the identity")
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=self.file.state["lifetime"]["seconds"])
        leaf = (
            x509.CertificateBuilder(issuer_name=root.subject, public_key=csr.public_key())
            .subject_name(x509.Name([]))
            .serial_number(x509.random_serial_number())
            .not_valid_before(until - datetime.timedelta(days=1))
            .not_valid_after(until)
            .add_extension(names, critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        out = identity_pb2.CertifyResponse(leaf_certificate=leaf.public_bytes(serialization.Encoding.DER))
        out.valid_until.FromDatetime(until)
        return out

    async def get(self, request: destination_pb2.GetDestination, context: Any) -> AsyncIterator[Any]:
        if not same_pod(request.context_token):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a context is needed")
        sent: dict[str, Said] = {}
        async for said in self.file.versions(lambda: self.file.ask("endpoints", request.path)):
            if said is None:
                await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.path}")
                return
            if said == "missing":
                sent = {}
                yield destination_pb2.Update(no_endpoints=destination_pb2.NoEndpoints(exists=False))
                continue
            new = {one["addr"]: one for one in said}
            gone = [addr for addr in sent if addr not in new]
            added = [one for addr, one in new.items() if sent.get(addr) != one]
            sent = new
            if gone and new:
                yield destination_pb2.Update(remove=destination_pb2.AddrSet(addrs=[tcp(addr) for addr in gone]))
            if added:
                labels = {"namespace": "default", "service": request.path.split(".")[0]}
                addrs = [weighted(one) for one in added]
                yield destination_pb2.Update(add=destination_pb2.WeightedAddrSet(addrs=addrs, metric_labels=labels))
            if not new:
                yield destination_pb2.Update(no_endpoints=destination_pb2.NoEndpoints(exists=True))

    async def get_profile(self, request: destination_pb2.GetDestination, context: Any) -> AsyncIterator[Any]:
        async for said in self.file.versions(lambda: self.file.ask("profiles", request.path)):
            yield profile(said or {})

    async def watch(self, request: outbound_pb2.TrafficSpec, context: Any) -> AsyncIterator[Any]:
        if not same_pod(request.source_workload):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a workload is needed")
        key = spelled(request.addr) if request.HasField("addr") else request.authority
        async for said in self.file.versions(lambda: self.file.ask("outbound", key)):
            if said is None:
                await context.abort(grpc.StatusCode.NOT_FOUND, f"no policy for {key}")
                return
            if "refuse" in said:
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, said["refuse"])
                return
            yield policy(said)

    async def watch_port(self, request: inbound_pb2.PortSpec, context: Any) -> AsyncIterator[Any]:
        if not same_pod(request.workload):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a workload is needed")
        async for mode in self.file.versions(lambda: self.file.ask("ports", str(request.port)) or "allow"):
            yield server(mode)

    def handlers(self) -> list[grpc.GenericRpcHandler]:
        def one(service: str, method: str, request: Any, behaviour: Any, *, stream: bool = True) -> Any:
            make = grpc.unary_stream_rpc_method_handler if stream else grpc.unary_unary_rpc_method_handler
            handler = make(
                behaviour,
                request_deserializer=request.FromString,
                response_serializer=encode,
            )
            return service, {method: handler}

        get = destination_pb2.GetDestination
        all_of_them = [
            one(
                "io.linkerd.proxy.identity.Identity", "Certify", identity_pb2.CertifyRequest, self.certify, stream=False
            ),
            one("io.linkerd.proxy.destination.Destination", "Get", get, self.get),
            one("io.linkerd.proxy.destination.Destination", "GetProfile", get, self.get_profile),
            one("io.linkerd.proxy.outbound.OutboundPolicies", "Watch", outbound_pb2.TrafficSpec, self.watch),
            one("io.linkerd.proxy.inbound.InboundServerPolicies", "WatchPort", inbound_pb2.PortSpec, self.watch_port),
        ]
        merged: dict[str, dict[str, Any]] = {}
        for service, methods in all_of_them:
            merged.setdefault(service, {}).update(methods)
        return [grpc.method_handlers_generic_handler(service, methods) for service, methods in merged.items()]


async def main(port: int, state: pathlib.Path, ca: pathlib.Path) -> None:
    file = File(state)
    listener = grpc.aio.server()
    listener.add_generic_rpc_handlers(Plane(file, ca).handlers())
    listener.add_insecure_port(f"0.0.0.0:{port}")
    async with asyncio.TaskGroup() as group:
        group.create_task(file.follow())
        await listener.start()
        print("serving", flush=True)
        await listener.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])))
