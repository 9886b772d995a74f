"""The viz extension as documents: names others look up, what is scraped, and that choices reach their places."""

import pathlib
import re

import pytest
import yaml

from isthmus import names
from isthmus.errors import BadValue
from isthmus.install import core
from isthmus.install.viz import parts, plan, prometheus, values, web
from isthmus.tap import run
from tests.unit.install import builders as b

PAGE = (pathlib.Path(__file__).parents[3] / "docs" / "viz.md").read_text()
ROWS = re.findall(r"^\| `([^`]+)` \| (?:`([^`]*)`|–) \| (.+) \|$", PAGE, re.MULTILINE)


def rendered(**sets) -> list[dict]:
    return parts.render(plan.Plan(b.plan(), values.overlay(values.Values(), sets), b.webhook()))


def jobs(**sets) -> dict[str, dict]:
    text = b.find(rendered(**sets), "ConfigMap", "prometheus-config")["data"]["prometheus.yml"]
    return {job["job_name"]: job for job in yaml.safe_load(text)["scrape_configs"]}


@pytest.mark.parametrize(
    "name",
    [
        "Namespace/linkerd-viz",
        "Service/metrics-api",
        "Deployment/metrics-api",
        "Service/web",
        "Deployment/web",
        "Service/prometheus",
        "Deployment/prometheus",
        "Service/tap",
        "APIService/v1alpha1.tap.linkerd.io",
        "ClusterRole/linkerd-linkerd-viz-tap-admin",
        "Secret/tap-k8s-tls",
    ],
)
def test_names_that_tools_look_up(name):
    assert name in {f"{d['kind']}/{d['metadata']['name']}" for d in rendered()}


def test_every_document_is_found_again_by_its_labels():
    marks = {names.PART_OF_LABEL: names.PART_OF, names.EXTENSION_LABEL: "viz"}
    assert all(marks.items() <= d["metadata"]["labels"].items() for d in rendered())


def test_pods_are_meshed_and_under_accounts_that_exist():
    docs = rendered()
    accounts = {d["metadata"]["name"] for d in docs if d["kind"] == "ServiceAccount"}
    for one in (d for d in docs if d["kind"] == "Deployment"):
        spec = one["spec"]["template"]["spec"]
        assert spec["containers"][0]["name"] == "linkerd-proxy"
        assert spec["serviceAccountName"] in accounts
        assert one["spec"]["selector"]["matchLabels"].items() <= one["spec"]["template"]["metadata"]["labels"].items()


def test_the_jobs_are_linkerds():
    wanted = {"prometheus", "linkerd-controller", "linkerd-multicluster-controller", "linkerd-proxy"}
    assert set(jobs()) == wanted
    assert set(jobs(scrapeDiscovery="kubernetes", cadvisor="true")) == wanted | {"kubernetes-nodes-cadvisor"}


@pytest.mark.parametrize("key", ["sample_limit", "label_limit", "label_value_length_limit", "body_size_limit"])
def test_every_job_has_limits(key):
    assert all(job[key] for job in jobs().values())


@pytest.mark.parametrize("discovery, key", [("http", "http_sd_configs"), ("kubernetes", "kubernetes_sd_configs")])
def test_both_ways_of_discovery_have_the_same_rules(discovery, key):
    found = jobs(scrapeDiscovery=discovery)["linkerd-proxy"]
    assert key in found
    assert found["relabel_configs"] == jobs()["linkerd-proxy"]["relabel_configs"]


def test_prometheus_that_asks_us_has_no_rights_in_the_cluster():
    assert not [d for d in rendered() if d["kind"] == "ClusterRole" and d["metadata"]["name"].endswith("prometheus")]
    wide = rendered(scrapeDiscovery="kubernetes")
    assert b.find(wide, "ClusterRole", "linkerd-linkerd-viz-prometheus")["rules"] == list(prometheus.RIGHTS)


def test_another_prometheus_is_asked_and_none_is_brought():
    docs = rendered(prometheusUrl="http://prom.monitoring:9090/")
    assert not [d for d in docs if d["metadata"]["name"].startswith("prometheus")]
    container = b.find(docs, "Deployment", "metrics-api")["spec"]["template"]["spec"]["containers"][-1]
    assert container["args"][2:4] == ["--prometheus-url", "http://prom.monitoring:9090"]


def test_a_changed_configuration_makes_new_pods():
    def mark(**sets):
        return b.find(rendered(**sets), "Deployment", "prometheus")["spec"]["template"]["metadata"]["annotations"]

    assert mark()["linkerd.io/config-checksum"] != mark(scrapeInterval="2s")["linkerd.io/config-checksum"]


@pytest.mark.parametrize(
    "key, text, says",
    [
        ("prometheusUrl", "prometheus:9090", "not a URL"),
        ("scrapeInterval", "0s", "not from 1s to 5m"),
        ("prometheusRetentionSize", "lots", "not a size"),
        ("prometheusSampleLimit", "0", "not a number"),
        ("scrapeDiscovery", "dns", "scrapeDiscovery"),
        ("cadvisor", "true", "found by Kubernetes discovery"),
        ("tapIgnoreHeaders", "x-key,:path", "':path' .not the name of a header"),
        ("tapIgnoreHeaders", "x key", "tapIgnoreHeaders"),
        ("retention", "1h", "no such setting"),
    ],
)
def test_refused(key, text, says):
    with pytest.raises(BadValue, match=says):
        values.overlay(values.Values(), {key: text})


@pytest.mark.parametrize(
    "text, said",
    [("", []), ("X-Session, x-api-key,", ["--ignore-headers", "x-api-key,x-session"])],
)
def test_headers_that_taps_never_show(text, said):
    (container,) = [
        one
        for one in b.find(rendered(tapIgnoreHeaders=text), "Deployment", "tap")["spec"]["template"]["spec"][
            "containers"
        ]
        if one["name"] == "tap"
    ]
    assert container["args"][6:-4] == said
    assert run.Options.from_args(container["args"][2:]).ignored == frozenset(said[1].split(",") if said else ())


def test_what_was_chosen_is_kept_and_defaults_move_on():
    chosen = values.overlay(values.Values(), {"scrapeInterval": "2s", "metricsApiReplicas": "2"})
    assert values.load(values.store(chosen)) == chosen
    older = values.store(values.Values()).replace(core.choices.load("").proxy_image.rpartition(":")[2], "0.0.1")
    assert values.load(older) == values.Values()


def test_the_page_lists_every_setting():
    assert [(key, default) for key, default, _ in ROWS] == [
        (key, values.said(row.default)) for key, row in values.FIELDS.items()
    ]
    assert all(says.startswith(values.FIELDS[key].metadata["says"]) for key, _, says in ROWS)


def test_the_dashboards_account_has_rights_only_where_it_is_open():
    closed = [d["kind"] for d in rendered() if d["metadata"].get("labels", {}).get("component") == "web"]
    assert closed == ["ClusterRole", "ServiceAccount", "Service", "Deployment"]
    assert not [d for d in rendered() if d["kind"].endswith("Binding") and d["roleRef"]["name"] == web.VIEWER]
    role = b.find(rendered(dashboardOpen="true"), "ClusterRole", "linkerd-linkerd-viz-web")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert not {"secrets", "pods/proxy", "pods/log"} & {r for rule in role["rules"] for r in rule["resources"]}


@pytest.mark.parametrize(
    "sets, words",
    [({}, []), ({"dashboardOpen": "true"}, ["--open"]), ({"dashboardHost": "^mesh$"}, ["--enforced-host", "^mesh$"])],
)
def test_what_the_dashboard_is_told(sets, words):
    arguments = b.find(rendered(**sets), "Deployment", "web")["spec"]["template"]["spec"]["containers"][-1]["args"]
    assert arguments[:4] == ["control", "web", "--port", "8084"]
    assert arguments[8 : 8 + len(words)] == words


def test_a_cluster_without_a_dashboard():
    assert "web" not in {d["metadata"]["name"] for d in rendered(dashboard="false")}
