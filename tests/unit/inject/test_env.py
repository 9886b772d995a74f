"""The proxy's environment: the whole contract by its names, and what each setting does to it."""

import json

import pytest

from isthmus.inject import env
from tests.unit.inject import builders as b

GOLDEN = """
CORES_MIN LOG LOG_FORMAT SHUTDOWN_ENDPOINT_ENABLED SHUTDOWN_GRACE_PERIOD DESTINATION_SVC_ADDR
DESTINATION_SVC_NAME POLICY_SVC_ADDR POLICY_SVC_NAME IDENTITY_SVC_ADDR IDENTITY_SVC_NAME
CONTROL_STREAM_INITIAL_TIMEOUT CONTROL_STREAM_IDLE_TIMEOUT CONTROL_STREAM_LIFETIME POLICY_WORKLOAD
DESTINATION_CONTEXT IDENTITY_DIR IDENTITY_TRUST_ANCHORS IDENTITY_TOKEN_FILE IDENTITY_LOCAL_NAME
INBOUND_DEFAULT_POLICY POLICY_CLUSTER_NETWORKS INBOUND_PORTS INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION
INBOUND_IPS CONTROL_LISTEN_ADDR ADMIN_LISTEN_ADDR INBOUND_LISTEN_ADDR OUTBOUND_LISTEN_ADDR
OUTBOUND_LISTEN_ADDRS INBOUND_CONNECT_TIMEOUT OUTBOUND_CONNECT_TIMEOUT INBOUND_DISCOVERY_IDLE_TIMEOUT
OUTBOUND_DISCOVERY_IDLE_TIMEOUT INBOUND_ACCEPT_KEEPALIVE OUTBOUND_CONNECT_KEEPALIVE
INBOUND_ACCEPT_USER_TIMEOUT OUTBOUND_CONNECT_USER_TIMEOUT INBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL
INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL
OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT DESTINATION_PROFILE_NETWORKS DESTINATION_PROFILE_SUFFIXES
OUTBOUND_METRICS_HOSTNAME_LABELS
"""


def read(chosen=None, **facts) -> dict[str, str]:
    rows = env.environment(b.MESH, chosen or b.settings(), env.Facts(**facts))
    return {r["name"].removeprefix(env.PREFIX): r.get("value", "") for r in rows}


def test_names():
    rows = env.environment(b.MESH, b.settings(), env.Facts())
    assert [r["name"].removeprefix(env.PREFIX) for r in rows if r["name"].startswith(env.PREFIX)] == GOLDEN.split()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DESTINATION_SVC_ADDR", "linkerd-dst-headless.linkerd.svc.cluster.local.:8086"),
        ("POLICY_SVC_ADDR", "linkerd-policy.linkerd.svc.cluster.local.:8090"),
        ("IDENTITY_SVC_ADDR", "linkerd-identity-headless.linkerd.svc.cluster.local.:8080"),
        ("POLICY_SVC_NAME", "linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local"),
        ("IDENTITY_LOCAL_NAME", "$(_pod_sa).$(_pod_ns).serviceaccount.identity.linkerd.cluster.local"),
        ("INBOUND_CONNECT_TIMEOUT", "100ms"),
        ("OUTBOUND_LISTEN_ADDRS", "127.0.0.1:4140"),
        ("DESTINATION_PROFILE_SUFFIXES", "svc.cluster.local."),
    ],
)
def test_defaults(name, value):
    assert read()[name] == value


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"inbound-port": "5143"}, "INBOUND_LISTEN_ADDR", "0.0.0.0:5143"),
        ({"proxy-cpu-limit": "1500m"}, "CORES_MAX", "2"),
        ({"proxy-cpu-limit": "3"}, "CORES", "3"),
        ({"proxy-cpu-ratio-limit": "0.5"}, "CORES_MAX_RATIO", "0.5"),
        ({"access-log": "json"}, "ACCESS_LOG", "json"),
        ({"proxy-admin-shutdown": "enabled"}, "SHUTDOWN_ENDPOINT_ENABLED", "true"),
        ({"proxy-disable-inbound-protocol-detect-timeout": "true"}, "INBOUND_DETECT_TIMEOUT", "365d"),
        ({"enable-gateway": "true"}, "INBOUND_GATEWAY_SUFFIXES", "svc.cluster.local."),
        ({"enable-external-profiles": "true"}, "DESTINATION_PROFILE_SUFFIXES", "."),
        ({"proxy-require-identity-inbound-ports": "4143"}, "INBOUND_PORTS_REQUIRE_IDENTITY", "4143"),
        ({"pod-inbound-ports": "1,2"}, "INBOUND_PORTS", "1,2"),
        ({"default-inbound-policy": "deny"}, "INBOUND_DEFAULT_POLICY", "deny"),
        ({"proxy-log-http-headers": "insecure"}, "LOG", "warn,linkerd=info,hickory=error"),
    ],
)
def test_a_setting_reaches_its_variable(changes, name, value):
    assert read(b.settings(**{k.replace("-", "_"): v for k, v in changes.items()}))[name] == value


def test_planes_in_the_same_pod_are_asked_on_loopback_without_a_name():
    found = read(local=frozenset({"destination", "policy"}))
    assert found["DESTINATION_SVC_ADDR"] == "localhost.:8086"
    assert "DESTINATION_SVC_NAME" not in found
    assert "IDENTITY_SVC_NAME" in found


def test_json_variables_are_json():
    found = read()
    assert json.loads(found["POLICY_WORKLOAD"]) == {"ns": "$(_pod_ns)", "pod": "$(_pod_name)"}
    assert set(json.loads(found["DESTINATION_CONTEXT"])) == {"ns", "nodeName", "pod"}


def test_additional_variables_replace_ours():
    extra = b.settings(
        proxy_additional_env='[{"name": "LINKERD2_PROXY_LOG", "value": "debug"}, {"name": "A", "value": "b"}]'
    )
    rows = env.environment(b.MESH, extra, env.Facts())
    assert [r["value"] for r in rows if r["name"] == "LINKERD2_PROXY_LOG"] == ["debug"]
    assert rows[-1] == {"name": "A", "value": "b"}


def test_a_variable_stands_after_those_it_refers_to():
    rows = env.environment(b.MESH, b.settings(), env.Facts())
    seen: set[str] = set()
    for row in rows:
        value = row.get("value", "")
        assert {part.split(")")[0] for part in value.split("$(")[1:]} <= seen
        seen.add(row["name"])
