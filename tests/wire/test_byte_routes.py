"""Routes of whole connections through real proxies: TLS by server name, refusals, ways out of the mesh, queues."""

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

Said = dict[str, Any]
ADDR, OTHER = "10.96.0.7", "10.96.0.8"
"""One for each test: what was said of an address and is taken back is asked for again only after a while."""
OUTSIDE = "10.9.0.254"
PARENT = {"resource": {"group": "core", "kind": "Service", "name": "web", "namespace": "default", "port": 443}}
FORBIDDEN = [{"forbidden": {}}]


def resource(kind: str, name: str) -> Said:
    return {"resource": {"group": "gateway.networking.k8s.io", "kind": kind, "name": name, "namespace": "default"}}


def balanced(path: str) -> Said:
    return {
        "metadata": PARENT,
        "queue": {"capacity": 100, "failfastTimeout": "1s"},
        "balancer": {"discovery": {"dst": {"path": path}}, "peakEwma": {"defaultRtt": "0.03s", "decay": "10s"}},
    }


def first(backend: Said, *filters: Said) -> Said:
    return {"firstAvailable": {"backends": [{"backend": backend, "filters": list(filters)}]}}


def tls(name: str, sni: Said | None, backends: Said | None = None, filters: list[Said] | None = None) -> Said:
    rule: Said = {"backends": backends or first(balanced(world.path("echo", 9000))), "filters": filters or []}
    return {"metadata": resource("TLSRoute", name), "snis": [sni] if sni else [], "rules": [rule]}


def opaque(backends: Said, filters: list[Said] | None = None) -> Said:
    rule = {"backends": backends, "filters": filters or []}
    return {"opaque": {"routes": [{"metadata": resource("TCPRoute", "bytes"), "rules": [rule]}]}}


def say(state: world.State, protocol: Said, key: str = f"{ADDR}:443") -> None:
    state.edit("outbound", key, {"proto": {"metadata": PARENT, "protocol": protocol}})


def hello(stage: conftest.Stage, name: str, host: str = ADDR) -> str:
    return stage.client.call("hello", host=host, port=443, name=name)["line"]


def opened(stage: conftest.Stage, route: str) -> float:
    return stage.client.metric("outbound_tls_route_open_total", route_name=route)


def test_tls_goes_by_the_name_it_asks_for(stage: conftest.Stage, state: world.State) -> None:
    routes = [
        tls("below", {"suffix": {"reverseLabels": ["com", "example"]}}),
        tls("web", {"exact": "web.example.com"}),
        tls("shut", {"exact": "shut.example.com"}, filters=FORBIDDEN),
        tls("odd", {"exact": "odd.example.com"}, filters=[{"invalid": {"message": "no such port"}}]),
    ]
    say(state, {"tls": {"routes": routes}})
    for name, line, route in (
        ("web.example.com", "hello\n", "web"),
        ("other.example.com", "hello\n", "below"),
        ("shut.example.com", "", "shut"),
        ("odd.example.com", "", "odd"),
        ("elsewhere.org", "", ""),
        ("", "", ""),
    ):
        before = opened(stage, route)
        assert hello(stage, name) == line, name
        if route:
            pods.wait_for(lambda b=before, r=route: opened(stage, r) == b + 1, 2, f"{name} counted by its route")
    assert stage.client.metric("outbound_tls_route_close_total", error="forbidden", route_name="shut") == 1
    assert stage.client.metric("outbound_tls_route_close_total", error="invalid_policy", route_name="odd") == 1


def test_a_forbidden_backend_gets_no_bytes(stage: conftest.Stage, state: world.State) -> None:
    echo = balanced(world.path("echo", 9000))
    for backends, line, error in (
        (first(echo), "hello\n", ""),
        (first(echo, FORBIDDEN[0]), "", "forbidden"),
        (first(echo, {"invalid": {"message": "x"}}), "", "invalid_policy"),
        (first({"metadata": PARENT}), "", "invalid_backend"),
    ):
        say(state, opaque(backends), f"{OTHER}:443")
        pods.wait_for(lambda want=line: hello(stage, "", OTHER) == want, 5, error or "an open route")
        closed = lambda e=error: stage.client.metric("outbound_tcp_route_close_total", error=e, route_name="bytes") >= 1  # noqa: E731
        pods.wait_for(closed, 2, f"the end counted as {error!r}")


@pytest.fixture
def outside() -> Iterator[None]:
    """A small HTTP server that is in no mesh."""
    code = (
        "import http.server\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'plain')\n"
        f"http.server.HTTPServer(('{OUTSIDE}', 18081), H).serve_forever()\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    yield
    server.kill()
    server.wait()


def egress(*, open_: bool) -> Said:
    """What an EgressNetwork becomes: everything is forwarded where it was meant to go, or nothing is."""
    forward = {
        "metadata": resource("EgressNetwork", "all"),
        "forward": {"addr": {"ip": {"ipv4": 168362238}, "port": 18081}, "weight": 10_000},
    }
    refuse = (
        []
        if open_
        else [{"failureInjector": {"status": 403, "message": "forbidden", "ratio": {"numerator": 1, "denominator": 1}}}]
    )
    http = {"routes": [{"metadata": {"default": "egress"}, "rules": [{"filters": refuse, "backends": first(forward)}]}]}
    bytes_ = opaque(first(forward), [] if open_ else FORBIDDEN)["opaque"]
    return {"detect": {"timeout": "10s", "http1": http, "http2": http, "opaque": bytes_}}


def test_a_way_out_of_the_mesh_is_open_or_shut(stage: conftest.Stage, state: world.State, outside: None) -> None:
    key = f"{OUTSIDE}:18081"
    call = lambda: stage.client.call("one", host=OUTSIDE, port=18081, name="x")["status"]  # noqa: E731
    say(state, egress(open_=True), key)
    pods.wait_for(lambda: call() == 200, 5, "the way out")
    assert stage.client.call("hello", host=OUTSIDE, port=18081, name="x")["line"] != ""
    say(state, egress(open_=False), key)
    pods.wait_for(lambda: call() == 403, 5, "its end")
    assert stage.client.call("hello", host=OUTSIDE, port=18081, name="x")["line"] == ""


def test_connections_wait_as_long_as_the_environment_says(stage: conftest.Stage, state: world.State) -> None:
    state.edit("endpoints", world.path("echo", 9000), [])
    say(state, opaque(first(balanced(world.path("echo", 9000)))))
    stage.client.restart_proxy(stage.anchors, OUTBOUND_TCP_FAILFAST_TIMEOUT="600ms")
    start = time.monotonic()
    assert hello(stage, "") == ""
    assert 0.5 < time.monotonic() - start < 2.5
    stage.client.restart_proxy(stage.anchors)
