"""Every alert fires when it should and not when it should not, with the words that a person reads."""

import dataclasses
import re
from typing import Any

import pytest
import yaml

from isthmus.install.prometheus import files
from tests import promtool

pytestmark = pytest.mark.api

RULES = files.rules()
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES[files.ALERTS])["groups"] for rule in group["rules"]
}
POD = {"namespace": "shop", "pod": "web-1"}
MIRROR = {"namespace": "linkerd-multicluster", "pod": "mirror-1", "instance": "10.0.0.9:9999"}
WEST = {**MIRROR, "target_cluster_name": "west"}
MIRROR_UP = {
    "job": "linkerd-multicluster-controller",
    "namespace": "linkerd-multicluster",
    "component": "service-mirror",
    "pod": "mirror-1",
}
DAY = 86400
PLANES = ("identity", "destination", "policy", "injector")


def series(name: str, labels: dict[str, str], values: object) -> tuple[str, str]:
    """A metric from 0 s on, each 10 s; a number stays as it is."""
    said = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{said}}}", values if isinstance(values, str) else f"{values}x500"


def certificate(ends: int, renewed: int):
    family = "control_identity_cert_{}_timestamp_seconds"
    return [series(family.format("expiration"), POD, ends), series(family.format("refresh"), POD, renewed)]


def link(**values: object):
    """Gauges of the mirror: enabled, alive, age."""
    known = {"enabled": "gateway_enabled", "alive": "gateway_alive", "age": "service_mirror_target_age_seconds"}
    return [series(known[key], WEST, value) for key, value in values.items()]


def traffic(succeed: int, fail: int, direction: str = "inbound", **labels: str):
    """So many requests each ten seconds; a class that never happened has no series."""
    base = {**POD, "deployment": "web", "direction": direction, "tls": "true", **labels}
    ends = {"success": succeed, "failure": fail}
    return [series("response_total", base | {"classification": k}, f"0+{n}x500") for k, n in ends.items() if n]


def up(**values: int):
    labels = {"job": "linkerd-controller", "namespace": "linkerd"}
    return [series("up", {**labels, "component": name}, value) for name, value in values.items()]


@dataclasses.dataclass
class Row:
    """An alert, what Prometheus has seen, the labels it fires with (None: it does not), and how `$value` reads."""

    alert: str
    seen: list[tuple[str, str]]
    fires: dict[str, str] | None = None
    says: str = ""
    at: str = "20m"


ALL_UP = dict.fromkeys(PLANES, 1)
ROWS = [
    Row("IsthmusProxyCertificateNotRenewed", certificate(3600, 0), POD, "16.67%", "50m"),
    Row("IsthmusProxyCertificateNotRenewed", certificate(5100, 1500), at="50m"),
    Row("IsthmusProxyCertificateNotRenewed", certificate(2400, 0), at="50m"),
    Row("IsthmusProxyCertificateEnded", certificate(600, 0), POD),
    Row("IsthmusProxyCertificateEnded", certificate(3600, 0)),
    Row(
        "IsthmusIssuerEndsSoon",
        [series("issuer_cert_ttl_seconds", POD, 20 * DAY)],
        {"namespace": "shop"},
        "20d 0h 0m 0s",
    ),
    Row("IsthmusIssuerEndsSoon", [series("issuer_cert_ttl_seconds", POD, 40 * DAY)]),
    Row("IsthmusIssuerEndsNow", [series("issuer_cert_ttl_seconds", POD, DAY)], {"namespace": "shop"}, "1d 0h 0m 0s"),
    Row("IsthmusIssuerEndsNow", [series("issuer_cert_ttl_seconds", POD, 0)], {"namespace": "shop"}, "0s"),
    Row("IsthmusIssuerEndsNow", [series("issuer_cert_ttl_seconds", POD, 20 * DAY)]),
    Row(
        "IsthmusAnchorEndsSoon",
        [series("trust_anchor_ttl_seconds", POD, 50 * DAY)],
        {"namespace": "shop"},
        "50d 0h 0m 0s",
    ),
    Row("IsthmusAnchorEndsSoon", [series("trust_anchor_ttl_seconds", POD, 100 * DAY)]),
    Row("IsthmusAnchorEndsSoon", [series("trust_anchor_ttl_seconds", POD, 0)]),
    Row(
        "IsthmusServingCertificateEndsSoon",
        [series("serving_cert_ttl_seconds", {"namespace": "linkerd", "component": "injector"}, 20 * DAY)],
        {"namespace": "linkerd", "component": "injector"},
        "20d 0h 0m 0s",
    ),
    Row(
        "IsthmusServingCertificateEndsSoon",
        [series("serving_cert_ttl_seconds", {"namespace": "linkerd", "component": "injector"}, 40 * DAY)],
    ),
    Row("IsthmusGatewayDark", link(enabled=1, alive="1x30 0x500"), WEST),
    Row("IsthmusGatewayDark", link(enabled=1, alive="0x30 1x500")),
    Row("IsthmusGatewayDark", link(enabled=0, alive=0)),
    Row("IsthmusGatewayUnknown", link(enabled=1, age=1), WEST),
    Row("IsthmusGatewayUnknown", link(enabled=1, alive=0, age=1)),
    Row("IsthmusGatewayUnknown", link(enabled=0, age=1)),
    Row("IsthmusGatewayUnknown", link(enabled=1), at="4m"),
    Row("IsthmusLinkStale", link(enabled=1, age="0+10x500"), WEST, "20m 0s"),
    Row("IsthmusLinkStale", link(enabled=1, age=65)),
    Row("IsthmusLinkUnconnected", link(enabled=1, alive=1), WEST),
    Row("IsthmusLinkUnconnected", link(enabled=1, age=3)),
    Row("IsthmusSuccessLow", traffic(10, 10), {"namespace": "shop", "deployment": "web"}, "50%"),
    Row("IsthmusSuccessLow", traffic(0, 10), {"namespace": "shop", "deployment": "web"}, "100%"),
    Row("IsthmusSuccessLow", traffic(100, 2)),
    Row("IsthmusSuccessLow", traffic(0, 1)),
    Row("IsthmusSuccessLow", traffic(0, 10, "outbound")),
    Row(
        "IsthmusLinkSuccessLow",
        traffic(10, 10, "outbound", dst_target_cluster="west", dst_target_service="web"),
        {"dst_target_cluster": "west"},
        "50%",
    ),
    Row("IsthmusLinkSuccessLow", traffic(100, 2, "outbound", dst_target_cluster="west", dst_target_service="web")),
    Row("IsthmusLinkSuccessLow", traffic(0, 10, "outbound")),
    Row("IsthmusControlPlaneAway", up(**ALL_UP)),
    Row("IsthmusControlPlaneAway", up(**ALL_UP | {"policy": 0}), {"namespace": "linkerd", "component": "policy"}),
    *(
        Row(
            "IsthmusControlPlaneAway",
            up(**{other: 1 for other in PLANES if other != name}),
            {"job": "linkerd-controller", "component": name},
        )
        for name in PLANES
    ),
    *(
        Row("IsthmusControlPlaneAway", [*up(**ALL_UP), series("up", MIRROR_UP, values)], fires)
        for values, fires in (
            ("1x500", None),
            ("1x30 _x500", {"namespace": "linkerd-multicluster", "component": "service-mirror"}),
            ("1x30 0x500", {"namespace": "linkerd-multicluster", "component": "service-mirror"}),
            ("1x30 _x60 1x400", None),
        )
    ),
    Row(
        "IsthmusProxiesOnLastAnswers",
        [series("control_stale_streams", {**POD, "kind": "policy"}, 2)],
        {"kind": "policy"},
        "1",
    ),
    Row("IsthmusProxiesOnLastAnswers", [series("control_stale_streams", {**POD, "kind": "policy"}, 0)]),
    Row(
        "IsthmusPlaneOutOfDate",
        [series("destination_watch_age_seconds", {**POD, "component": "destination"}, 400)],
        {"namespace": "shop", "component": "destination"},
        "6m 40s",
    ),
    Row("IsthmusPlaneOutOfDate", [series("policy_watch_age_seconds", {**POD, "component": "policy"}, 65)]),
    *(
        row
        for alert, family in (
            ("IsthmusTapEventsDropped", "tap_events_dropped_total"),
            ("IsthmusAccessLogDropped", "access_log_dropped_total"),
            ("IsthmusSpansDropped", "opentelemetry_spans_dropped_total"),
        )
        for row in (
            Row(alert, [series(family, POD, "_x110 7x300")], POD, "7"),
            Row(alert, [series(family, POD, "7x110 12x300")], POD, "5"),
            Row(alert, [series(family, POD, 7)]),
            Row(alert, [series(family, POD, "7x110 0x300")]),
        )
    ),
]


def told(alert: str, labels: dict[str, str], says: str) -> dict[str, str]:
    """The annotations as a person reads them."""

    def word(found: re.Match[str]) -> str:
        return labels.get(found[1].removeprefix("$labels."), "") if found[1].startswith("$labels.") else says

    return {k: re.sub(r"\{\{ ([^ }]+)[^}]*\}\}", word, text) for k, text in ALERTS[alert]["annotations"].items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.alert}-{'fires' if row.fires else 'quiet'}")
def test_alert(row: Row, tmp_path) -> None:
    expected = []
    if row.fires is not None:
        labels = row.fires | ALERTS[row.alert]["labels"]
        expected = [{"exp_labels": labels, "exp_annotations": told(row.alert, row.fires, row.says)}]
    test = {
        "input_series": [{"series": name, "values": values} for name, values in row.seen],
        "alert_rule_test": [{"eval_time": row.at, "alertname": row.alert, "exp_alerts": expected}],
    }
    # Alerts that read no recorded series are spared the reckoning of all of them.
    needed = RULES if "rate1m" in ALERTS[row.alert]["expr"] else {files.ALERTS: RULES[files.ALERTS]}
    assert promtool.play(tmp_path, needed, test) == ""


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_seen_to_fire_and_to_be_quiet(alert: str) -> None:
    assert {row.fires is not None for row in ROWS if row.alert == alert} == {True, False}
