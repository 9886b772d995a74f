"""The generated modules: all there, named as on the wire, and made from what the proxy pins."""

import importlib
import pathlib
import runpy

import pytest

from isthmus.rpc import destination_pb2, net_pb2

ROOT = pathlib.Path(__file__).parents[3]
SERVICES = {
    "destination_grpc.Destination": "io.linkerd.proxy.destination.Destination",
    "identity_grpc.Identity": "io.linkerd.proxy.identity.Identity",
    "inbound_grpc.InboundServerPolicies": "io.linkerd.proxy.inbound.InboundServerPolicies",
    "outbound_grpc.OutboundPolicies": "io.linkerd.proxy.outbound.OutboundPolicies",
    "tap_grpc.Tap": "io.linkerd.proxy.tap.Tap",
}


@pytest.mark.parametrize("where, name", SERVICES.items(), ids=SERVICES)
def test_clients_know_their_service(where: str, name: str) -> None:
    module, _, client = where.partition(".")
    assert name == getattr(importlib.import_module(f"isthmus.rpc.{module}"), client).NAME


def test_bytes_there_and_back() -> None:
    update = destination_pb2.Update()
    added = update.add.addrs.add()
    added.addr.ip.ipv4 = 0x0A000001
    added.addr.port = 8080
    again = destination_pb2.Update.FromString(update.SerializeToString())
    assert again.add.addrs[0].addr == net_pb2.TcpAddress(ip=net_pb2.IPAddress(ipv4=0x0A000001), port=8080)


def test_the_version_is_the_one_the_proxy_pins() -> None:
    pinned = runpy.run_path(str(ROOT / "tools" / "gen_rpc.py"))["version"]()
    assert f'"={pinned}"' in (ROOT / "proxy" / "Cargo.toml").read_text()
