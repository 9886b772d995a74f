"""How a proxy starts: its environment, its certificate, its admin port."""

import contextlib
import pathlib
import subprocess
import sys

import pytest
from prometheus_client import parser

from tests.wire import conftest, pods, raw, world

pytestmark = pytest.mark.wire


def test_ready_after_the_certificate_with_live_and_metrics(stage: conftest.Stage) -> None:
    assert stage.client.admin("/live") == (200, "live\n")
    assert stage.client.admin("/ready") == (200, "ready\n")
    assert stage.client.metric("control_identity_cert_refreshes_total", result="ok") >= 1
    assert stage.client.metric("proxy_build_info", vendor="isthmus") == 1
    assert stage.client.admin("/metrics")[1].endswith("# EOF\n")


def test_a_proxy_is_ready_in_a_moment(stage: conftest.Stage) -> None:
    """From exec to `/ready`, identity answering at once: 50 ms."""
    second = stage.all["second"]
    second.children["proxy"].end()
    words = [sys.executable, str(pods.HERE / "starter.py"), str(pods.program("isthmus-proxy")), pods.UID, "5"]
    said = subprocess.run(
        second.inside(*words), env=second.environment(stage.anchors), capture_output=True, text=True, check=True
    )
    took = sorted(map(float, said.stdout.split()))
    second.start_proxy(stage.anchors)
    second.wait_ready()
    print(f"ready after {', '.join(f'{millis:.0f}' for millis in took)} ms")
    assert took[0] <= 50


def test_the_program_is_small(stage: conftest.Stage) -> None:
    if not stage.client.metric("proxy_build_info", profile="release"):
        pytest.skip("size is of release builds")
    assert pods.program("isthmus-proxy").stat().st_size < 15 << 20


def test_what_is_not_to_be_had_at_start_is_told_in_a_sentence(stage: conftest.Stage, tmp_path: pathlib.Path) -> None:
    odd = tmp_path / "odd.pem"
    odd.write_text("no PEM")
    for changes, said in (
        ({}, "cannot listen on 0.0.0.0:4191"),
        ({"IDENTITY_TRUST_ANCHORS": "", "ISTHMUS_PROXY_TRUST_ANCHORS_FILE": str(odd)}, "trust anchors are not PEM"),
    ):
        done = subprocess.run(
            stage.client.inside(str(pods.program("isthmus-proxy"))),
            env=stage.client.environment(stage.anchors, **changes),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_a_proxy_without_descriptors_goes_on_when_it_has_some(stage: conftest.Stage, state: world.State) -> None:
    pid = stage.server.children["proxy"].process.pid
    limits = pathlib.Path(f"/proc/{pid}/limits").read_text().splitlines()
    usual = next(line.split()[3] for line in limits if line.startswith("Max open files"))

    def descriptors(soft: int | str) -> None:
        """As the proxy's own user: root in a container may not."""
        own = ["setpriv", f"--reuid={pods.UID}", f"--regid={pods.UID}", "--clear-groups"]
        pods.run(*own, "prlimit", "--pid", str(pid), f"--nofile={soft}:")

    held = sum(1 for _ in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    with contextlib.ExitStack() as socks:
        try:
            descriptors(held + 8)
            waiting = [socks.enter_context(raw.connect(stage.server.ip, 8080)) for _ in range(20)]
            for sock in waiting:
                raw.send(sock, b"GET / HTTP/1.1\r\nhost: web\r\n\r\n")
            waiting = [sock for sock in waiting if raw.read(sock, 0.1).status != 200]
            assert len(waiting) >= 10, "they were to be too many"
        finally:
            descriptors(usual)
        for sock in waiting[-5:]:
            assert raw.read(sock, 5, bool).status == 200


def test_metrics_are_read_by_prometheus_and_carry_the_labels_dashboards_ask_for(stage: conftest.Stage) -> None:
    stage.client.call("many", host=world.WEB, port=80, name="web", count=10, connections=1)
    families = {f.name: f for f in parser.text_string_to_metric_families(stage.client.admin("/metrics")[1])}
    request = next(s for s in families["request"].samples if s.labels.get("dst_service") == "web")
    assert request.labels["direction"] == "outbound"
    assert request.labels["authority"] == world.path("web")
    assert request.labels["server_id"] == world.identity("server")
    assert {"response", "response_latency_ms", "tcp_open", "tcp_read_bytes", "process_cpu_seconds"} <= set(families)
    buckets = [s.labels["le"] for s in families["response_latency_ms"].samples if s.name.endswith("_bucket")]
    assert buckets[:5] == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    "page, status", [("/env.json", 403), ("/proxy-log-level", 403), ("/shutdown", 404), ("/", 404)]
)
def test_knobs_are_not_for_strangers(stage: conftest.Stage, page: str, status: int) -> None:
    assert stage.client.admin(page)[0] == status


def test_metrics_ask_the_policy_of_their_port_and_probes_do_not(stage: conftest.Stage, state: world.State) -> None:
    state.edit("ports", "4191", "deny")
    pods.wait_for(lambda: stage.client.admin("/metrics")[0] == 403, 3, "the policy")
    assert stage.client.admin("/ready")[0] == 200
    state.reset()
    pods.wait_for(lambda: stage.client.admin("/metrics")[0] == 200, 3, "the policy of before")
    ours = {"target_port": "4191", "srv_port": "4191", "no_tls_reason": "no_tls_from_remote"}
    assert stage.client.metric("inbound_http_authz_deny_total", **ours) >= 1
    assert stage.client.metric("inbound_http_authz_allow_total", **ours) >= 2


def test_a_malformed_environment_is_told_whole_and_nothing_starts(stage: conftest.Stage) -> None:
    env = stage.client.environment(stage.anchors, INBOUND_CONNECT_TIMEOUT="soon", POLICY_CLUSTER_NETWORKS="10/8")
    done = subprocess.run(
        [pods.program("isthmus-proxy")], env=env, capture_output=True, text=True, timeout=10, check=False
    )
    assert done.returncode == 64
    for part in ('INBOUND_CONNECT_TIMEOUT is "soon"', 'POLICY_CLUSTER_NETWORKS is "10/8"', "a valid value is"):
        assert part in done.stderr


def test_await_ends_when_the_proxy_is_ready(stage: conftest.Stage) -> None:
    words = stage.client.inside(str(pods.program("isthmus-proxy")), "await", "--timeout", "5s")
    assert pods.run(*words) == ""
    wrong = stage.client.inside(str(pods.program("isthmus-proxy")), "await", "--timeout", "1s", "--port", "4999")
    assert subprocess.run(wrong, capture_output=True, timeout=10, check=False).returncode == 1
