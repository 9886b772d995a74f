"""Which proxies are asked, for how much, and what is said of the others."""

import pytest

from isthmus import names
from isthmus.tap import world
from isthmus.tap.ask import match, plan
from tests.unit.tap import builders as b


def made(pods, services=None, **how):
    return plan.make(match.read(b.request(**how)), pods, services or {})


WEB = [b.pod("web-1"), b.pod("web-2", "10.0.0.2"), b.pod("db-0", "10.0.0.3", owner=("statefulset", "db"))]


@pytest.mark.parametrize(
    "kind, name, found",
    [
        ("deployment", "web", ["web-1", "web-2"]),
        ("deployment", "", ["web-1", "web-2"]),
        ("replicaset", "web-abc", ["web-1", "web-2"]),
        ("statefulset", "db", ["db-0"]),
        ("pod", "web-2", ["web-2"]),
        ("namespace", "shop", ["db-0", "web-1", "web-2"]),
        ("namespace", "other", []),
        ("service", "front", ["web-1", "web-2"]),
        ("service", "none", []),
        ("daemonset", "web", []),
    ],
)
def test_whose_pods(kind, name, found):
    keys = [names.Key("shop", "front"), names.Key("shop", "none")]
    services = dict(zip(keys, (plan.Service(keys[0], {"app": "web"}), plan.Service(keys[1], {})), strict=True))
    assert [one.key.name for one in made(WEB, services, kind=kind, name=name).pods] == found


def test_a_job_is_its_cronjob_s():
    pods = [b.pod("a", owner=("job", "nightly-2931"))]
    assert made(pods, kind="cronjob", name="nightly").pods
    assert not made(pods, kind="cronjob", name="night").pods


@pytest.mark.parametrize("rps, each", [(100, 50), (1, 1), (0, 50), (3, 1)])
def test_the_rate_is_shared(rps, each):
    assert made(WEB, maxRps=rps).limit == each


@pytest.mark.parametrize(
    "notes, sentence",
    [
        ({}, "restart it"),
        ({names.TAP_ENABLED: "true", names.TAP_DISABLED: "true"}, "viz.linkerd.io/disable-tap"),
    ],
)
def test_a_pod_that_cannot_be_tapped_is_named(notes, sentence):
    found = made([*WEB, b.pod("web-3", "10.0.0.9", notes=notes)])
    assert len(found.pods) == 2
    assert "pod shop/web-3 is not tapped" in found.left_out[0] and sentence in found.left_out[0]


def test_an_unmeshed_pod_and_one_that_does_not_run():
    bare, done = b.obj("a"), b.obj("b")
    bare.metadata.labels, done.status.phase = {}, "Succeeded"
    assert plan.why_not(plan.pod(bare)) == "it is not meshed"
    assert plan.why_not(plan.pod(done)) == "it is not running"


def test_many_pods_are_cut_and_many_sentences_summed_up():
    many = [b.pod(f"web-{n:04}", f"10.1.{n // 250}.{n % 250}") for n in range(205)]
    off = [b.pod(f"x-{n}", notes={}) for n in range(7)]
    found = made([*many, *off])
    assert len(found.pods) == 200
    assert found.left_out[-2:] == ("and 2 more pods are not tapped", "205 pods fit; the first 200 by name are tapped")


def test_labels_choose_among_pods():
    asked = b.request("namespace", "shop")
    asked.target.label_selector = "app=db"
    assert [p.key.name for p in plan.make(match.read(asked), WEB, {}).pods] == ["db-0"]


def test_addresses_follow_pods():
    known = world.World()
    known.put_pod(b.obj("web-1"))
    at = lambda: getattr(known.at("10.0.0.1"), "key", names.Key("", "")).name  # noqa: E731
    assert at() == "web-1"
    known.put_pod(b.obj("web-2"))
    known.drop_pod(names.Key("shop", "web-1"))
    assert at() == "web-2"
    known.drop_pod(names.Key("shop", "web-2"))
    assert at() == ""
