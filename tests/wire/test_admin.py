"""The admin port's pages: formats of metrics, knobs from loopback, the end of the process."""

import gzip
import json
import socket
import subprocess
import sys
import time
import urllib.request
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire

WEB: dict[str, Any] = {"host": world.WEB, "port": 80, "name": "web"}
ASK = """
import json, sys, urllib.error, urllib.request
page, method, body = sys.argv[1:]
request = urllib.request.Request(f"http://127.0.0.1:4191{page}", data=body.encode() or None, method=method)
try:
    answer = urllib.request.urlopen(request, timeout=5)
except urllib.error.HTTPError as error:
    answer = error
print(json.dumps([answer.status, answer.read().decode()]))
"""


def local(pod: pods.Pod, page: str, method: str = "GET", body: str = "") -> tuple[int, str]:
    """A page asked from the pod itself."""
    status, text = json.loads(pods.run(*pod.inside(sys.executable, "-c", ASK, page, method, body)))
    return status, text


def scrape(pod: pods.Pod, **headers: str) -> tuple[Any, bytes]:
    asked = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://{pod.ip}:4191/metrics", headers=asked)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return answer.headers, answer.read()


def test_metrics_are_packed_for_those_who_take_it(stage: conftest.Stage) -> None:
    head, plain = scrape(stage.client)
    assert head["content-encoding"] is None
    head, packed = scrape(stage.client, accept_encoding="deflate, gzip;q=0.9")
    assert head["content-encoding"] == "gzip"
    text = gzip.decompress(packed)
    assert text.endswith(b"# EOF\n")
    assert len(packed) < len(plain) / 3
    assert scrape(stage.client, accept_encoding="gzip;q=0")[0]["content-encoding"] is None


def test_openmetrics_is_spoken_when_asked_for(stage: conftest.Stage) -> None:
    stage.client.call("many", **WEB, count=3, connections=1)
    head, text = scrape(stage.client, accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert head["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in openmetrics.text_string_to_metric_families(text.decode())}
    assert families["request"].type == "counter"
    assert families["response_latency_ms"].type == "histogram"
    head, text = scrape(stage.client)
    assert head["content-type"].startswith("text/plain")
    assert {family.name for family in parser.text_string_to_metric_families(text.decode())} >= {"request"}


def test_who_says_nothing_is_shown_the_door_after_ten_seconds(stage: conftest.Stage) -> None:
    start = time.monotonic()
    with socket.create_connection((stage.client.ip, 4191), 30) as silent:
        assert silent.recv(1) == b""
    assert 9.5 < time.monotonic() - start < 10 + pods.SLOW


def test_the_log_level_is_read_and_set_from_the_pod_itself(stage: conftest.Stage) -> None:
    before = local(stage.client, "/proxy-log-level")
    assert before == (200, "warn,linkerd=info\n")
    status, sentence = local(stage.client, "/proxy-log-level", "PUT", "linkerd=loud")
    assert status == 400
    assert "linkerd=loud" in sentence
    assert local(stage.client, "/proxy-log-level", "PUT", "error,linkerd=debug") == (204, "")
    assert local(stage.client, "/proxy-log-level") == (200, "error,linkerd=debug\n")
    assert local(stage.client, "/proxy-log-level", "PUT", before[1])[0] == 204


def test_the_environment_is_shown_whole_or_in_parts(stage: conftest.Stage) -> None:
    status, text = local(stage.client, "/env.json")
    assert status == 200
    assert json.loads(text)["LINKERD2_PROXY_IDENTITY_LOCAL_NAME"] == world.identity("client")
    status, text = local(stage.client, "/env.json?LINKERD2_PROXY_CORES&NOT_THERE")
    assert json.loads(text) == {"LINKERD2_PROXY_CORES": "1", "NOT_THERE": None}


@pytest.mark.parametrize(
    "asked",
    [
        "u.Request('http://127.0.0.1:4191/logs.json?off,linkerd=debug')",
        "u.Request('http://127.0.0.1:4191/logs.json', b'off,linkerd=debug', method='QUERY')",
    ],
)
def test_the_log_is_followed_with_a_filter_of_ones_own(stage: conftest.Stage, state: world.State, asked: str) -> None:
    script = (
        "import urllib.request as u\n"
        f"a = u.urlopen({asked}, timeout=20)\n"
        "print(a.headers['content-type'], flush=True)\n"
        "print(a.readline().decode(), flush=True)"
    )
    reader = subprocess.Popen(
        stage.client.inside(sys.executable, "-c", script), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert reader.stdout is not None
    assert reader.stdout.readline().strip() == "application/json"
    # An address that no plane knows makes the control thread say so, at debug.
    subprocess.run(
        stage.client.inside(sys.executable, "-c", f"import socket; socket.create_connection(('10.96.9.{len(asked)}', 80), 5).close()"),
        capture_output=True, check=False, timeout=20,
    )  # fmt: skip
    out, errors = reader.communicate(timeout=30)
    said = json.loads(out.strip())
    assert said["level"] in {"DEBUG", "INFO", "WARN"}, errors
    assert set(said) == {"timestamp", "level", "target", "message"}
    assert stage.client.admin("/logs.json")[0] == 403
    assert local(stage.client, "/logs.json?linkerd=loud")[0] == 400


def test_shutdown_by_page_and_by_interrupt(stage: conftest.Stage) -> None:
    pod = stage.all["second"]
    # Streams of another proxy to the control plane here last until the grace is over.
    pod.restart_proxy(stage.anchors, SHUTDOWN_ENDPOINT_ENABLED="true", SHUTDOWN_GRACE_PERIOD="2s")
    assert local(pod, "/shutdown")[0] == 405
    assert pod.admin("/shutdown", method="POST")[0] == 403
    assert local(pod, "/shutdown", "POST") == (200, "shutting down\n")
    proxy = pod.children["proxy"]
    assert proxy.process.wait(15) == 0
    pod.start_proxy(stage.anchors)
    pod.wait_ready()
    assert pod.children["proxy"].end(pods.signal.SIGINT, 15) == 0
    pod.start_proxy(stage.anchors)
    pod.wait_ready()
