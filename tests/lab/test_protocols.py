"""What crosses the gateway beside plain requests: gRPC, WebSocket, opaque bytes, large bodies. Each from east's client to west only."""

from typing import Any

import pytest

from tests.lab import mesh

pytestmark = pytest.mark.lab

MB = 1_000_000


@pytest.fixture(scope="module")
def west() -> dict[str, Any]:
    return {"host": mesh.cluster_ip("east", mesh.MIRROR), "port": 8888, "name": mesh.MIRROR}


def test_grpc_unary_and_its_errors(client: mesh.Inside, west: dict[str, Any]) -> None:
    done = client.call("grpc", **west, count=50)
    assert (done["count"], done["answers"], done["unknown"]) == (50, ["0801"], "UNIMPLEMENTED")


def test_websocket_upgrade(client: mesh.Inside, west: dict[str, Any]) -> None:
    assert client.call("websocket", **west, text="over the isthmus") == {
        "status": 101,
        "accepted": True,
        "echo": "over the isthmus",
    }


@pytest.mark.parametrize("size", [1, 70_000, MB, 100 * MB])
def test_download(client: mesh.Inside, west: dict[str, Any], size: int) -> None:
    assert client.call("download", **west, size=size) == {"status": 200, "bytes": size}


@pytest.mark.parametrize("size", [1, 70_000, MB, 100 * MB])
def test_chunked_upload(client: mesh.Inside, west: dict[str, Any], size: int) -> None:
    done = client.call("upload", **west, size=size)
    assert (done["status"], done["body"]["bytes"]) == (200, size)


@pytest.mark.parametrize("size", [1, 70_000, 10 * MB])
def test_opaque_bytes_come_back_after_half_close(client: mesh.Inside, west: dict[str, Any], size: int) -> None:
    assert client.call("tcp", host=west["host"], port=9999, size=size) == {"bytes": size}


def test_large_bodies_leave_the_proxies_small(client: mesh.Inside) -> None:
    resident = [value for name, _, value in mesh.metrics(client) if name == "process_resident_memory_bytes"]
    assert resident
    assert resident[0] < 40 * MB
