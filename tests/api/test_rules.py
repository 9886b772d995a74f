"""What Prometheus' own judge says of our rules, and whether recorded series are the sums they claim to be."""

import pytest

from isthmus.install.prometheus import files
from isthmus.install.viz import plan, prometheus, values
from tests import promtool
from tests.unit.install import builders

pytestmark = pytest.mark.api

WEB = 'namespace="shop",deployment="web"'
TO_WEST = 'direction="outbound",dst_target_cluster="west",dst_target_service="web",dst_namespace="shop"'
SEEN = {
    f'response_total{{{WEB},pod="web-1",direction="inbound",classification="success",tls="true",target_port="80"}}': "0+10x60",
    f'response_total{{{WEB},pod="web-1",direction="inbound",classification="success",tls="true",target_port="81"}}': "0+20x60",
    f'response_total{{{WEB},pod="web-2",direction="inbound",classification="success",tls="true",target_port="80"}}': "0+30x60",
    f'response_total{{{WEB},pod="web-1",{TO_WEST},classification="success",tls="true"}}': "0+40x60",
    f'response_total{{namespace="shop",deployment="app",pod="app-1",{TO_WEST},classification="success",tls="true"}}': "0+50x60",
    f'tcp_open_connections{{{WEB},pod="web-1",direction="inbound",peer="src",tls="true",client_id="a"}}': "2x60",
    f'tcp_open_connections{{{WEB},pod="web-2",direction="inbound",peer="src",tls="true",client_id="b"}}': "3x60",
}
SUMS = [
    ('pod:response_total:rate1m{pod="web-1",direction="inbound"}', 3),
    ('workload:response_total:rate1m{deployment="web",direction="inbound"}', 6),
    ('edge:response_total:rate1m{deployment="app"}', 5),
    ('link:response_total:rate1m{dst_target_cluster="west"}', 9),
    ('workload:tcp_open_connections:sum{deployment="web"}', 5),
]


def test_the_judge_has_nothing_against_them(tmp_path) -> None:
    assert promtool.check(tmp_path, files.rules()) == ""


@pytest.mark.parametrize("series, value", SUMS)
def test_a_recorded_series_is_the_sum_of_its_proxies(series: str, value: float, tmp_path) -> None:
    test = {
        "input_series": [{"series": name, "values": values} for name, values in SEEN.items()],
        "promql_expr_test": [
            {"expr": f"sum({series})", "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": value}]}
        ],
    }
    assert promtool.play(tmp_path, files.rules(), test) == ""


def test_the_judge_has_nothing_against_the_installed_configuration(tmp_path) -> None:
    """Debian's build knows no discovery by Kubernetes, so targets are found by HTTP, as is the default."""
    chosen = plan.Plan(builders.plan(), values.Values(), builders.webhook())
    (tmp_path / "rules").mkdir()
    for name, text in files.rules().items():
        (tmp_path / "rules" / name).write_text(text)
    config = prometheus.config(chosen).replace("/etc/prometheus-rules", f"{tmp_path}/rules")
    assert f"{tmp_path}/rules" in config
    (tmp_path / "prometheus.yml").write_text(config)
    assert promtool.ask("check", "config", "prometheus.yml", cwd=tmp_path) == ""
