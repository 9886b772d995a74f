"""StatSummary: which questions, which rows."""

import pytest

from isthmus import names
from isthmus.kube import slim
from isthmus.rpc import viz_pb2 as pb
from isthmus.serve.refusal import Refused
from isthmus.viz.answer import resolve, stat
from isthmus.viz.ask import query, window
from tests.unit.viz import cluster as c
from tests.unit.viz.rows import row

MINUTE = window.read("1m")
KNOWN = c.known(
    c.of_deployment("web", 1, ip="10.0.0.1"),
    c.of_deployment("web", 2, meshed=False),
    c.of_deployment("web", 3, phase="Failed"),
    c.of_deployment("api", 1),
    c.pod("job-1", owner=("Job", "nightly-5")),
    namespace=[slim.Namespace(c.meta("shop", ""))],
    deployment=[c.deployment("web", tier="front"), c.deployment("api"), c.deployment("web", "other")],
    service=[c.service("web", app="web"), c.service("web-west", remote="west")],
    job=[slim.Job(c.meta("nightly-5", owner=("CronJob", "nightly")))],
    cronjob=[slim.CronJob(c.meta("nightly"))],
    replicaset=[slim.ReplicaSet(c.meta("web-5d"))],
)


def subject(kind, name="", namespace="shop", selector="") -> resolve.Subject:
    return resolve.one(pb.Resource(type=kind, name=name, namespace=namespace), KNOWN, selector)


def planned(kind, name="", *, to=None, source=None, tcp=False, recorded=False) -> stat.Plan:
    ends = stat.Ends(subject(*to) if to else None, subject(*source) if source else None)
    return stat.plan(subject(kind, name), ends, KNOWN, query.Source(60, recorded=recorded), tcp=tcp)


def table(kind, answers, name="", selector="", *, to=None, tcp=False):
    ends, one = stat.Ends(subject(*to) if to else None), subject(kind, name, selector=selector)
    plan = stat.plan(one, ends, KNOWN, query.Source(60), tcp=tcp)
    made = stat.table(one, ends, KNOWN, plan, stat.Answers(answers), MINUTE)
    return {r.resource.name: r for r in made.pod_group.rows}


@pytest.mark.parametrize(
    "kind, name, more, holds",
    [
        ("deployment", "web", {}, '{direction="inbound",namespace="shop",deployment="web"}'),
        ("deploy", "", {}, '{direction="inbound",namespace="shop",deployment!=""}'),
        ("job", "nightly-5", {}, 'k8s_job="nightly-5"'),
        ("cronjob", "nightly", {}, 'k8s_job=~"nightly-5"'),
        ("replicaset", "web-5d", {}, 'pod=~"web-5d-1|web-5d-2|web-5d-3"'),
        ("service", "web", {}, '{direction="outbound",dst_namespace="shop",dst_service="web"}'),
        ("deployment", "web", {"to": ("service", "api")}, 'deployment="web",dst_namespace="shop",dst_service="api"'),
        ("service", "", {"source": ("deployment", "web")}, 'dst_service!="",namespace="shop",deployment="web"'),
        ("server", "http", {}, 'srv_name="http",srv_kind="server"'),
        ("authorizationpolicy", "", {}, 'authz_name!="",authz_kind="authorizationpolicy"'),
    ],
)
def test_questions(kind, name, more, holds):
    assert holds in planned(kind, name, **more).queries["responses"]


@pytest.mark.parametrize(
    "kind, more, level",
    [
        ("deployment", {}, "workload:"),
        ("pod", {}, "pod:"),
        ("service", {}, "edge:"),
        ("deployment", {"to": ("service", "api")}, "edge:"),
        ("pod", {"to": ("service", "api")}, "rate("),
        ("server", {}, "server:"),
    ],
)
def test_recorded_series_are_read_where_they_hold_what_is_asked(kind, more, level):
    assert level in planned(kind, recorded=True, **more).queries["responses"]


def test_rows_say_pods_and_numbers():
    answers = {"responses": [row(2, namespace="shop", deployment="web", classification="success")]}
    found = table("deployment", answers)
    web = found["web"]
    assert (web.meshed_pod_count, web.running_pod_count, web.failed_pod_count) == (1, 2, 1)
    assert (web.stats.success_count, web.time_window) == (120, "1m")
    assert set(found) == {"web", "api"} and not found["api"].HasField("stats")


def test_a_selector_chooses_by_labels():
    assert set(table("deployment", {}, selector="tier=front")) == {"web"}
    assert set(table("deployment", {}, selector="tier!=front")) == {"api"}


def test_with_another_end_only_what_was_measured_has_a_row():
    answers = {"responses": [row(1, namespace="shop", deployment="api", classification="failure")]}
    assert set(table("deployment", answers, to=("service", "web"))) == {"api"}


def test_connections_and_bytes():
    labels = {"namespace": "shop", "deployment": "web"}
    answers = {"open": [row(3, **labels)], "read": [row(10, **labels)], "write": [row(20, **labels)]}
    tcp = table("deployment", answers, tcp=True)["web"].tcp_stats
    assert (tcp.open_connections, tcp.read_bytes_total, tcp.write_bytes_total) == (3, 600, 1200)


def test_a_cron_jobs_numbers_are_its_jobs():
    found = table("cronjob", {"responses": [row(1, namespace="shop", k8s_job="nightly-5", classification="success")]})
    assert found["nightly"].stats.success_count == 60 and found["nightly"].meshed_pod_count == 1


def test_a_services_pods_are_those_it_selects():
    found = table("service", {})
    assert (found["web"].running_pod_count, found["web-west"].running_pod_count) == (2, 0)


def test_what_is_wrong_with_a_pod():
    waits = slim.ContainerStatus("app", "x:1", state=slim.State(slim.Why("ImagePullBackOff", "no such image")))
    known = c.known(c.of_deployment("bad", 1, phase="Pending", statuses=[waits]), deployment=[c.deployment("bad")])
    one = resolve.one(pb.Resource(type="deployment", namespace="shop"), known)
    (made,) = stat.table(one, stat.Ends(), known, None, stat.Answers(), MINUTE).pod_group.rows
    error = made.errors_by_pod["bad-5d-1"].errors[0].container
    assert (error.container, error.reason, error.message) == ("app", "ImagePullBackOff", "no such image")
    assert known.pods[names.Key("shop", "bad-5d-1")].status == "ImagePullBackOff"


@pytest.mark.parametrize(
    "kind, more, says",
    [
        ("nonsense", {}, "no such resource: 'nonsense'"),
        ("server", {"to": ("service", "x")}, "no other end"),
        ("service", {"to": ("service", "x")}, "sends no requests"),
    ],
)
def test_refused(kind, more, says):
    with pytest.raises(Refused, match=says):
        planned(kind, **more)


@pytest.mark.parametrize("selector", ["a=(", "a in b", "=", ",,"])
def test_a_selector_that_is_none(selector):
    with pytest.raises(Refused, match="no label selector"):
        subject("deployment", selector=selector)


def test_all_is_asked_without_a_name():
    with pytest.raises(Refused, match="without a name"):
        resolve.subjects(pb.ResourceSelection(resource=pb.Resource(type="all", name="web")), KNOWN)


def test_a_name_that_is_none():
    with pytest.raises(Refused, match="no name of a resource"):
        subject("deployment", "x" * 300)
