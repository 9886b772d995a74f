"""Traces: spans of sampled requests, from two proxies to a collector in the mesh."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
PORT = 4317
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
Said = dict[str, Any]


@pytest.fixture(scope="module")
def collector(stage: conftest.Stage) -> Iterator[pods.Child]:
    """A collector behind the second pod's proxy, and two proxies that send there."""
    words = ["env", f"PYTHONPATH={pods.ROOT}", pods.sys.executable, str(pods.HERE / "collector.py"), str(PORT)]
    child = stage.all["second"].start("collector", *words)
    pods.wait_for(lambda: "serving" in child.log.read_text(), 10, "the collector", child)
    traced(stage)
    yield child
    child.end()
    for pod in (stage.client, stage.server):
        pod.restart_proxy(stage.anchors)


def traced(stage: conftest.Stage) -> None:
    """Client and server send their spans to the collector."""
    extra = {
        "TRACE_COLLECTOR_SVC_ADDR": f"{world.IPS['second']}:{PORT}",
        "TRACE_COLLECTOR_SVC_NAME": world.identity("second"),
        "TRACE_EXTRA_ATTRIBUTES": 'zone="a"\nteam=x',
    }
    for pod in (stage.client, stage.server):
        pod.restart_proxy(stage.anchors, **extra, TRACE_SERVICE_NAME=f"{pod.name}-proxy", HOSTNAME=f"{pod.name}-0")


def spans(collector: pods.Child, trace: str) -> list[Said]:
    read = [json.loads(line) for line in collector.log.read_text().splitlines() if line.startswith("{")]
    return [span for span in read if span["trace"] == trace]


def ask(stage: conftest.Stage, **headers: str) -> Said:
    web = lambda: stage.client.call("one", **WEB)["status"] == 200  # noqa: E731
    pods.wait_for(web, 10, "the proxies after their restart")
    return json.loads(stage.client.call("one", **WEB, path="/headers?secret=1", headers=headers)["body"])


def test_a_sampled_trace_gets_a_span_from_each_proxy_and_the_next_hop_sees_it(
    stage: conftest.Stage, state: world.State, collector: pods.Child
) -> None:
    arrived = ask(stage, traceparent=f"00-{TRACE}-{PARENT}-01", tracestate="a=b")
    pods.wait_for(lambda: len(spans(collector, TRACE)) == 2, 15, "both spans")
    by_name = {span["resource"]["service.name"]: span for span in spans(collector, TRACE)}
    outer, inner = by_name["client-proxy"], by_name["server-proxy"]
    assert (outer["parent"], inner["parent"]) == (PARENT, outer["span"])
    assert (outer["kind"], inner["kind"]) == (3, 2)
    assert arrived["traceparent"] == f"00-{TRACE}-{inner['span']}-01"
    assert arrived["tracestate"] == "a=b"
    assert inner["resource"] == {"service.name": "server-proxy", "host.name": "server-0", "zone": "a", "team": "x"}
    said = inner["attributes"]
    assert said["http.request.method"] == "GET"
    assert (said["url.path"], said["http.response.status_code"], said["direction"]) == ("/headers", 200, "inbound")
    assert said["client.id"] == world.identity("client")
    assert outer["attributes"]["network.peer.address"] == world.IPS["server"]
    assert outer["attributes"]["dst.pod"] == "server"
    assert 0 <= inner["took"] <= outer["took"] < 10e9
    assert not outer["error"]
    assert stage.client.metric("opentelemetry_span_exports") >= 1
    assert stage.client.metric("opentelemetry_span_export_requests") >= 1


def test_b3_is_followed_too_and_what_is_not_sampled_is_left_alone(
    stage: conftest.Stage, state: world.State, collector: pods.Child
) -> None:
    quiet, loud = "a" * 32, "b" * 32
    arrived = ask(stage, traceparent=f"00-{quiet}-{PARENT}-00")
    assert arrived["traceparent"] == f"00-{quiet}-{PARENT}-00"
    arrived = ask(stage, **{"x-b3-traceid": loud, "x-b3-spanid": PARENT, "x-b3-sampled": "1"})
    # A proxy that ends sends what it has; one that goes on waits ten seconds for more.
    for pod in (stage.client, stage.server):
        assert pod.children["proxy"].end(pods.signal.SIGTERM, 15) == 0
    pods.wait_for(lambda: len(spans(collector, loud)) == 2, 15, "both spans")
    outer = next(span for span in spans(collector, loud) if span["kind"] == 3)
    inner = next(span for span in spans(collector, loud) if span["kind"] == 2)
    assert (outer["parent"], inner["parent"]) == (PARENT, outer["span"])
    assert (arrived["x-b3-spanid"], arrived["x-b3-parentspanid"]) == (inner["span"], outer["span"])
    assert not spans(collector, quiet)
    traced(stage)


def test_without_a_collector_requests_go_on_and_the_last_spans_are_sent_at_the_end(
    stage: conftest.Stage, state: world.State, collector: pods.Child
) -> None:
    last = "c" * 32
    ask(stage, traceparent=f"00-{last}-{PARENT}-01")
    proxy = stage.server.children["proxy"]
    assert proxy.end(pods.signal.SIGTERM, 15) == 0
    pods.wait_for(lambda: any(span["kind"] == 2 for span in spans(collector, last)), 5, "the span of an ended proxy")
    stage.server.restart_proxy(
        stage.anchors, TRACE_COLLECTOR_SVC_ADDR=f"{world.IPS['second']}:4999", TRACE_COLLECTOR_SVC_NAME="nobody.test"
    )
    assert ask(stage, traceparent=f"00-{last}-{PARENT}-01")["traceparent"].startswith(f"00-{last}-")
