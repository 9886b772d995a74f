"""Metrics of real proxies: the families of requests by route, how many series there are, and who may not make more."""

import collections
import socket
import time

import pytest
from prometheus_client import parser

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire


def series(pod: pods.Pod) -> collections.Counter[str]:
    """Series per family; a histogram counts once for each label set."""
    count: collections.Counter[str] = collections.Counter()
    for line in pod.admin("/metrics")[1].splitlines():
        name = line.split("{")[0].split(" ")[0]
        if name and not name.startswith("#") and not name.endswith(("_bucket", "_sum")):
            count[name] += 1
    return count


def test_an_idle_proxy_shows_few_series(stage: conftest.Stage, state: world.State) -> None:
    stage.all["gateway"].restart_proxy(stage.anchors)
    time.sleep(2)
    lines = [line for line in stage.all["gateway"].admin("/metrics")[1].splitlines() if line[:1] not in ("#", "")]
    assert len(lines) <= 100, "\n".join(lines)
    zero = [
        line for line in lines if line.endswith(" 0") and "_bucket{" not in line and not line.startswith("process_")
    ]
    assert not zero, "series that never moved are not shown"


def test_requests_are_counted_by_route_on_both_sides(stage: conftest.Stage, state: world.State) -> None:
    stage.client.call("many", host=world.WEB, port=80, name="web", count=20, connections=2)
    wanted = {
        "client": [
            ("outbound_http_route_request_statuses_total", {"parent_name": "web", "http_status": "200", "error": ""}),
            ("outbound_http_route_request_duration_seconds_count", {"parent_name": "web", "hostname": ""}),
            ("outbound_http_route_backend_requests_total", {"backend_name": "web"}),
            ("outbound_http_route_backend_response_duration_seconds_count", {"backend_name": "web"}),
            ("outbound_http_route_backend_response_frame_size_bytes_count", {"backend_name": "web"}),
            ("outbound_tcp_detect_http_results_total", {"parent_name": "web", "result": "http/1"}),
            ("outbound_tcp_transfer_cost_bytes_total", {"op": "Send"}),
        ],
        "server": [
            ("inbound_http_requests_total", {"parent_port": "8080", "route_name": "default"}),
            ("inbound_http_statuses_total", {"http_status": "200", "error": ""}),
            ("inbound_http_request_duration_seconds_count", {"parent_port": "8080"}),
            ("inbound_http_response_duration_seconds_count", {"parent_port": "8080"}),
            ("inbound_http_response_frame_size_bytes_count", {"parent_port": "8080"}),
        ],
    }
    for name, families in wanted.items():
        list(parser.text_string_to_metric_families(stage.all[name].admin("/metrics")[1]))
        for family, labels in families:
            assert stage.all[name].metric(family, **labels) >= 1, f"{name}: {family} {labels}"


def test_a_scan_of_ports_fills_no_family(stage: conftest.Stage, state: world.State) -> None:
    before = stage.server.metric("tcp_open_total", direction="inbound", peer="src")
    for port in range(20_000, 20_300):
        with socket.create_connection((stage.server.ip, port), timeout=5) as scan:
            scan.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    pods.wait_for(
        lambda: stage.server.metric("tcp_open_total", direction="inbound", peer="src") >= before + 300, 10, "the scan"
    )
    name, most = series(stage.server).most_common(1)[0]
    assert most <= 160, f"{name} has {most} series"
    assert stage.server.metric("tcp_open_total", target_port="other") > 0
    stage.client.call("many", host=world.WEB, port=80, name="web", count=5, connections=1)
    assert stage.server.metric("inbound_http_requests_total", parent_port="8080") >= 5


def test_idle_series_leave_and_come_back_with_their_count(stage: conftest.Stage, state: world.State) -> None:
    stage.client.restart_proxy(stage.anchors, METRICS_RETAIN_IDLE="2s")

    def count() -> float:
        return stage.client.metric("outbound_http_route_backend_requests_total", backend_name="web")

    stage.client.call("many", host=world.WEB, port=80, name="web", count=3, connections=1)
    assert count() == 3
    pods.wait_for(lambda: count() == 0, 6, "the series to leave")
    stage.client.call("many", host=world.WEB, port=80, name="web", count=2, connections=1)
    assert count() == 5
    stage.client.restart_proxy(stage.anchors)


def test_hosts_are_labels_when_asked_for(stage: conftest.Stage, state: world.State) -> None:
    stage.client.restart_proxy(stage.anchors, OUTBOUND_METRICS_HOSTNAME_LABELS="true")
    stage.client.call("many", host=world.WEB, port=80, name="web", count=3, connections=1)
    assert stage.client.metric("outbound_http_route_request_statuses_total", hostname="web") == 3
    stage.client.restart_proxy(stage.anchors)


def test_peers_are_counted_by_the_routes_of_a_profile(stage: conftest.Stage, state: world.State) -> None:
    route = {"condition": {"path": {"regex": "/slow"}}, "metricsLabels": {"route": "slow"}}
    said = {"proto": {"fullyQualifiedName": world.path("web").rpartition(":")[0], "routes": [route]}}
    for asked in (f"{world.WEB}:80", world.path("web")):
        state.edit("profiles", asked, said)
    dst = {"dst": world.path("web"), "classification": "success"}

    def answers(pod: pods.Pod, direction: str) -> tuple[float, float]:
        """By the route, and all of them: with the default route's, which has no name."""
        of = lambda **more: pod.metric("route_response_total", direction=direction, **dst, **more)  # noqa: E731
        return of(rt_route="slow"), of()

    def both() -> bool:
        for path in ("/slow?ms=1", "/"):
            stage.client.call("one", host=world.WEB, port=80, name="web", path=path)
        return all(
            0 < slow < every for slow, every in (answers(stage.client, "outbound"), answers(stage.server, "inbound"))
        )

    pods.wait_for(both, 8, "routes on both sides")
    assert stage.server.metric("route_response_latency_ms_count", direction="inbound", rt_route="slow") > 0
