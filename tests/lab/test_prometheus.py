"""Rules and dashboards on a running mesh: the lab's Prometheus evaluates every rule, and knows the traffic over the link."""

import json
import urllib.parse
from typing import Any

import pytest

from tests.api import test_dashboards as dashboards
from tests.lab import mesh

pytestmark = pytest.mark.lab

PROXY = "/api/v1/namespaces/linkerd-viz/services/prometheus:http/proxy/api/v1"


def ask(path: str) -> Any:
    """What east's Prometheus answers, through the API server."""
    return json.loads(mesh.kubectl("east", "get", "--raw", f"{PROXY}/{path}"))["data"]


def query(expr: str) -> list[dict[str, Any]]:
    return ask(f"query?{urllib.parse.urlencode({'query': expr})}")["result"]


@pytest.fixture(scope="module")
def east(client: mesh.Inside) -> None:
    mesh.isthmus("viz", "install", "--apply", "--context", "east")
    mesh.split(50, 50)  # an earlier story may have sent all of it to one side


def test_every_rule_is_evaluated(east: None) -> None:
    def good() -> bool:
        rules = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
        return len(rules) > 50 and {rule["health"] for rule in rules} == {"ok"}

    mesh.until(good, "every rule to be well", 90, 2.0)


@pytest.mark.parametrize(
    "expr",
    [
        'link:response_total:rate1m{dst_target_cluster="west",classification="success"} > 0',
        'link:response_latency_ms_bucket:rate1m{dst_target_cluster="west",le="+Inf"} > 0',
        'edge:response_total:rate1m{deployment="client",dst_service="backend-svc-west",tls="true"} > 0',
        'workload:response_total:rate1m{deployment="backend-svc",direction="inbound",tls="true"} > 0',
        'backend:outbound_http_route_backend_requests_total:rate1m{backend_name="backend-svc-west"} > 0',
        'gateway_alive{target_cluster_name="west"} == 1',
        'service_mirror_target_age_seconds{target_cluster_name="west"} < 120',
        "trust_anchor_ttl_seconds > issuer_cert_ttl_seconds > 0",
        "count(serving_cert_ttl_seconds > 300 * 86400) == 2",
    ],
)
def test_it_knows(east: None, expr: str) -> None:
    mesh.until(lambda: query(expr), expr, 120, 2.0)


def test_dashboards_of_the_mesh_show_something(east: None) -> None:
    """Panels of the link and of the client's Deployment, as a person who opens them sees them."""
    asked = [expr for expr in dashboards.expressions() if "link:response" in expr or "gateway_" in expr]
    filled = [expr.replace("$target", "west") for expr in asked]
    mesh.until(lambda: all(query(expr) for expr in filled if "false" not in expr), "the panels of links", 120, 2.0)
