"""The access log: one line on standard error per inbound request, in both formats."""

import json
import re
from typing import Any

import pytest

from tests.wire import conftest, pods, raw, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
APACHE = re.compile(r'^(\S+) (\S+) - \[(\d{4}-\d\d-\d\dT[\d:.]+Z)\] "(\S+) (\S+) (\S+)" (\d+) (\d+)$')


def lines(pod: pods.Pod, start: str) -> list[str]:
    text = pod.children["proxy"].log.read_text()
    return [line for line in text.splitlines() if line.startswith(start)]


@pytest.fixture
def logging(stage: conftest.Stage, state: world.State, request: pytest.FixtureRequest) -> Any:
    """The server's proxy with an access log in the parameter's format."""
    stage.server.restart_proxy(stage.anchors, ACCESS_LOG=request.param)
    web = lambda: stage.client.call("one", **WEB)["status"] == 200  # noqa: E731
    pods.wait_for(web, 10, "the proxy after its restart")
    yield stage.server
    stage.server.restart_proxy(stage.anchors)


@pytest.mark.parametrize("logging", ["json"], indirect=True)
def test_json_lines_have_every_field_for_served_and_refused_requests(
    stage: conftest.Stage, state: world.State, logging: pods.Pod
) -> None:
    asked = {"user-agent": 'say "hi"', "x-request-id": "r-1"}
    stage.client.call("one", **WEB, path="/bytes?n=300", headers=asked)
    state.edit("ports", "8080", "deny")
    pods.wait_for(lambda: stage.client.call("one", **WEB)["status"] == 403, 5, "the policy")
    found = lambda: [json.loads(line) for line in lines(logging, '{"client.addr"')]  # noqa: E731
    pods.wait_for(lambda: any(said["status"] == 403 for said in found()), 3, "the last line")
    served = next(said for said in found() if said["uri"] == "http://web/bytes?n=300")
    assert served["client.addr"].startswith(world.IPS["client"] + ":")
    assert served["client.id"] == world.identity("client")
    assert (served["method"], served["version"], served["host"]) == ("GET", "HTTP/2.0", "web")
    assert (served["status"], served["response_bytes"], served["request_bytes"]) == (200, "300", "0")
    assert (served["user_agent"], served["trace_id"]) == ('say "hi"', "r-1")
    assert 0 < int(served["processing_ns"]) <= int(served["total_ns"]) or int(served["processing_ns"]) == 0
    assert set(served) == {
        "client.addr", "client.id", "timestamp", "method", "uri", "version", "trace_id", "request_bytes", "status",
        "response_bytes", "total_ns", "processing_ns", "user_agent", "host",
    }  # fmt: skip


@pytest.mark.parametrize("logging", ["json"], indirect=True)
def test_a_target_that_contradicts_host_is_logged_with_both(stage: conftest.Stage, logging: pods.Pod) -> None:
    asked = b"GET http://named/contradicts HTTP/1.1\r\nhost: other\r\nconnection: close\r\n\r\n"
    assert raw.ask(raw.connect(world.IPS["server"], 8080), asked, 5).status == 200
    found = lambda: [line for line in lines(logging, '{"client.addr"') if "contradicts" in line]  # noqa: E731
    pods.wait_for(lambda: bool(found()), 3, "the line")
    said = json.loads(found()[0])
    assert (said["uri"], said["host"]) == ("http://named/contradicts", "other")


@pytest.mark.parametrize("logging", ["apache"], indirect=True)
def test_the_common_format_and_only_inbound_requests(stage: conftest.Stage, logging: pods.Pod) -> None:
    stage.client.call("one", **WEB, path='/bytes?n=7&x="')
    pods.wait_for(lambda: any("n=7" in line for line in lines(logging, world.IPS["client"])), 3, "the line")
    line = next(line for line in lines(logging, world.IPS["client"]) if "n=7" in line)
    parts = APACHE.match(line)
    assert parts, line
    assert parts[2] == world.identity("client")
    assert parts.group(4, 5, 6, 7, 8) == ("GET", 'http://web/bytes?n=7&x=\\"', "HTTP/2.0", "200", "7")
    # The client's own proxy, without the variable, writes none.
    assert not lines(stage.client, world.IPS["client"])
