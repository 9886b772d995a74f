"""Mirrors as playbooks: what the clusters hold, what the plan does, what the Link says of it."""

from dataclasses import replace

import pytest

from isthmus import names
from isthmus.multicluster import plan, spec, world
from tests.unit.multicluster import sim
from tests.unit.multicluster.sim import MIRROR, WEB, Sim, remote_slice, service

SLICE = names.Key("shop", "web-west.ipv4")


def test_export_becomes_service_then_slice():
    it = Sim().export()
    assert it.settle()[WEB] == plan.Condition(True, "Mirrored", "", MIRROR)
    assert it.verbs()[:2] == ["create Service shop/web-west", "create EndpointSlice shop/web-west.ipv4"]


def test_mirror_carries_marks_and_ports():
    it = Sim().export(service(ports=(("http", 80, "http"), ("grpc", 81, "kubernetes.io/h2c"))))
    it.settle()
    mirror = it.source.services[MIRROR]
    assert mirror.ports == (world.Port("http", 80, "http"), world.Port("grpc", 81, "kubernetes.io/h2c"))
    assert mirror.labels == {names.MIRRORED_SERVICE: "true", names.CLUSTER_NAME: "west"}
    assert mirror.annotations[names.REMOTE_FQ_NAME] == "web.shop.svc.cluster.local"


def test_slice_points_each_port_at_the_gateway():
    it = Sim().export(service(ports=(("http", 80, "http"), ("grpc", 81, None))))
    it.settle()
    made = it.source.slices[SLICE]
    assert made.endpoints == (("192.0.2.7", True),)
    assert made.ports == (world.Port("http", 4143, "http"), world.Port("grpc", 4143, None))
    assert (made.fq_name, made.identity) == ("web.shop.svc.cluster.local", "gw.west")


def test_settled_is_settled():
    it = Sim().export()
    it.settle()
    it.log.clear()
    it.settle()
    assert it.log == []


def test_unexport_removes_service_then_slice():
    it = Sim().export()
    it.settle()
    it.log.clear()
    it.target.drop_service(WEB)
    it.settle()
    assert it.verbs() == ["delete Service shop/web-west", "delete EndpointSlice shop/web-west.ipv4"]


def test_unexport_and_reexport_converges_to_the_last_word():
    it = Sim().export()
    it.settle()
    it.target.drop_service(WEB)
    it.export(service(ports=(("http", 81, None),)))
    it.settle()
    assert it.source.services[MIRROR].ports == (world.Port("http", 81),)


def test_nothing_is_concluded_before_the_first_full_list():
    it = Sim().export()
    it.settle()
    it.target = world.Target("west", synced=False)
    it.log.clear()
    it.settle()
    assert it.log == []


@pytest.mark.parametrize(
    "exported, words",
    [
        pytest.param(service(type="ExternalName", externalName="x.example"), "ExternalName", id="external-name"),
        pytest.param(service(clusterIP="None"), "headless", id="headless"),
        pytest.param(service(ports=()), "no TCP port", id="no-ports"),
        pytest.param(service(ports=(("dns", 53, None, "UDP"),)), "only 53/UDP", id="udp-only"),
        pytest.param(
            service(labels={names.MIRRORED_SERVICE: "true", names.CLUSTER_NAME: "east"}), "mirror of east", id="loop"
        ),
        pytest.param(service(labels={names.MIRRORED_GATEWAY: "true"}), "mirror of", id="probe-of-another"),
        pytest.param(service(ports=tuple((f"p{i}", 1000 + i, None) for i in range(101))), "at most 100", id="ports"),
        pytest.param(service(notes={"note": "x" * 20_000}), "at most", id="big-annotations"),
        pytest.param(service(labels={f"k{i}": "v" for i in range(65)}), "at most 64", id="many-labels"),
        pytest.param(service("probe", "linkerd-multicluster"), "probe Service", id="probe-name"),
    ],
)
def test_refused_exports_get_a_condition_and_no_mirror(exported, words):
    it = Sim().export(exported)
    condition = next(iter(it.settle().values()))
    assert not condition.mirrored and condition.reason == "InvalidService" and words in condition.message
    assert not it.source.mirror_count("west")


def test_an_export_that_turns_headless_loses_its_mirror():
    it = Sim().export()
    it.settle()
    it.export(service(clusterIP="None"))
    it.settle()
    assert MIRROR not in it.source.services and SLICE not in it.source.slices


def test_udp_ports_are_left_out_and_named():
    it = Sim().export(service(ports=(("http", 80, None), ("dns", 53, None, "UDP"))))
    assert it.settle()[WEB].message == "not carried: 53/UDP"


def test_a_users_service_is_never_touched():
    it = Sim().user_has(service("web-west")).export()
    condition = it.settle()[WEB]
    assert (condition.mirrored, condition.reason) == (False, "NameTaken") and "is not ours" in condition.message
    assert [a for a in it.log if a.key.namespace == "shop"] == []


def test_the_mirror_of_another_link_is_never_touched():
    it = Sim()
    other = replace(it.link, key=names.Key("linkerd-multicluster", "b-west"), cluster="b-west")
    Sim(link=other, target=world.Target("b-west", synced=True), source=it.source).export(service("a")).settle()
    it.export(service("a-b"))
    condition = it.settle()[names.Key("shop", "a-b")]
    assert condition.reason == "NameTaken" and "mirrors shop/a of b-west" in condition.message


def test_our_slice_leaves_a_service_that_is_somebody_elses_now():
    it = Sim().export()
    it.settle()
    it.source.drop_service(MIRROR)
    it.user_has(service("web-west"))
    it.settle()
    assert SLICE not in it.source.slices and it.source.services[MIRROR].cluster is None


LONG = "a" * 63


def test_names_too_long_are_shortened_alike_every_time():
    it = Sim().export(service(LONG))
    it.settle()
    (mirror,) = it.source.mirrors("west", names.Key("shop", LONG))
    assert len(mirror.key.name) == 63 and mirror.origin == names.Key("shop", LONG)


def test_two_exports_that_ask_for_one_name_are_both_refused():
    taken = names.mirror(LONG, "west").removesuffix("-west")
    it = Sim().export(service(LONG))
    it.target._claims[names.Key("shop", names.mirror(LONG, "west"))].add(names.Key("shop", taken))
    condition = it.settle()[names.Key("shop", LONG)]
    assert condition.reason == "NameTaken" and taken in condition.message


def test_the_mirror_that_stands_wins_over_a_rival():
    it = Sim().export()
    it.settle()
    it.target._claims[MIRROR].add(names.Key("shop", "rival"))
    assert it.settle()[WEB].mirrored


def test_copied_keys_are_an_allow_list():
    labels = {
        "app": "web",
        "app.kubernetes.io/name": "web",
        "app.kubernetes.io/instance": "argo",
        names.EXPORTED: "true",
    }
    notes = {
        "team": "x",
        names.OPAQUE_PORTS_ANNOTATION: "80",
        "balancer.linkerd.io/failure-accrual": "consecutive",
        "config.linkerd.io/skip-inbound-ports": "1",
    }
    it = Sim().export(service(labels=labels, notes=notes))
    it.settle()
    mirror = it.source.services[MIRROR]
    assert set(mirror.labels) == {"app", "app.kubernetes.io/name", names.MIRRORED_SERVICE, names.CLUSTER_NAME}
    assert set(mirror.annotations) == {
        "team",
        names.OPAQUE_PORTS_ANNOTATION,
        names.REMOTE_FQ_NAME,
        names.REMOTE_VERSION,
        world.COPIED,
    }


@pytest.mark.parametrize(
    "excluded, kept",
    [
        pytest.param(("app",), {"tier", "app.kubernetes.io/name"}, id="exact"),
        pytest.param(("app.kubernetes.io/*",), {"app", "tier"}, id="prefix"),
        pytest.param((), {"app", "tier", "app.kubernetes.io/name"}, id="none"),
    ],
)
def test_excluded_labels_stay_behind(excluded, kept):
    it = Sim(link=replace(sim.WEST, excluded_labels=excluded))
    it.export(service(labels={"app": "a", "tier": "t", "app.kubernetes.io/name": "n"})).settle()
    assert set(it.source.services[MIRROR].labels) - {names.MIRRORED_SERVICE, names.CLUSTER_NAME} == kept


def test_opaque_ports_cannot_be_excluded():
    it = Sim(link=replace(sim.WEST, excluded_annotations=("config.linkerd.io/*",)))
    it.export(service(notes={names.OPAQUE_PORTS_ANNOTATION: "80"})).settle()
    assert it.source.services[MIRROR].annotations[names.OPAQUE_PORTS_ANNOTATION] == "80"


def test_a_key_dropped_over_there_is_dropped_here_and_a_key_of_others_stays():
    it = Sim().export(service(labels={"app": "web"}, notes={names.OPAQUE_PORTS_ANNOTATION: "80"}))
    it.settle()
    mirror = it.source.services[MIRROR]
    it.source.put_service(replace(mirror, annotations={**mirror.annotations, "mine": "1"}))
    it.export(service())
    it.settle()
    after = it.source.services[MIRROR]
    assert (
        "app" not in after.labels
        and names.OPAQUE_PORTS_ANNOTATION not in after.annotations
        and "mine" in after.annotations
    )


def test_a_new_remote_version_alone_costs_no_write():
    it = Sim().export()
    it.settle()
    it.log.clear()
    it.export(service(version="2"))
    it.settle()
    assert it.log == []


@pytest.mark.parametrize(
    "ready, expected",
    [
        pytest.param(None, True, id="no-slice-known-proves-nothing"),
        pytest.param((True,), True, id="ready"),
        pytest.param((False, True), True, id="one-of-two"),
        pytest.param((False,), False, id="none-ready"),
        pytest.param((), False, id="scaled-to-zero"),
        pytest.param((None,), True, id="nil-means-ready"),
    ],
)
def test_remote_readiness_reaches_the_slice(ready, expected):
    it = Sim().export()
    if ready is not None:
        it.target.put_slice(remote_slice(ready=ready))
    it.settle()
    assert it.source.slices[SLICE].endpoints == (("192.0.2.7", expected),)


def test_a_dead_address_is_marked_and_the_live_one_serves():
    it = Sim(gateway=(world.Address("192.0.2.7", False), world.Address("192.0.2.8"))).export()
    it.settle()
    assert it.source.slices[SLICE].endpoints == (("192.0.2.7", False), ("192.0.2.8", True))


def test_addresses_of_both_families_get_a_slice_each():
    it = Sim(gateway=(world.Address("192.0.2.7"), world.Address("2001:db8::7"))).export()
    it.settle()
    assert {s.key.name: s.family for s in it.source.slices_of(MIRROR)} == {
        "web-west.ipv4": "IPv4",
        "web-west.ipv6": "IPv6",
    }


def test_addresses_lost_keep_what_stands():
    it = Sim().export()
    it.settle()
    it.gateway = ()
    it.log.clear()
    assert it.settle()[WEB].mirrored and it.log == []


def test_no_address_yet_makes_no_mirror():
    it = Sim(gateway=()).export()
    assert "no usable address yet" in it.settle()[WEB].message and not it.source.services


@pytest.mark.parametrize(
    "state, words",
    [pytest.param(None, "does not exist here", id="missing"), pytest.param(False, "being deleted", id="terminating")],
)
def test_a_namespace_that_is_not_there(state, words):
    it = Sim().export(service(namespace="far"))
    if state is not None:
        it.source.namespaces["far"] = state
    condition = it.settle()[names.Key("far", "web")]
    assert condition.reason == "MissingNamespace" and words in condition.message


def test_a_namespace_is_made_only_when_asked():
    it = Sim(create_namespaces=True).export(service(namespace="far"))
    it.settle()
    assert it.verbs()[0] == "create Namespace /far" and names.Key("far", "web-west") in it.source.services


def test_quota_holds_and_spares_what_exists():
    it = Sim(mirrors=2).export(service("a"), service("b"), service("c"))
    assert [c.reason for c in it.settle().values()].count("QuotaExceeded") == 1
    assert it.source.mirror_count("west") == 2
    it.target.drop_service(names.Key("shop", "a"))
    it.settle()
    assert {c.reason for c in it.settle().values()} == {"Mirrored"}


def test_same_name_in_two_namespaces_only_the_right_one_goes():
    it = Sim().export(service(), service(namespace="lab"))
    it.source.namespaces["lab"] = True
    it.settle()
    it.target.drop_service(WEB)
    it.settle()
    assert MIRROR not in it.source.services and names.Key("lab", "web-west") in it.source.services


def test_ports_change_without_a_gap():
    it = Sim().export(service(ports=(("old", 80, None), ("same", 81, None))))
    it.settle()
    it.log.clear()
    it.export(service(ports=(("same", 81, None), ("new", 82, None))))
    it.settle()
    assert [v.split(" ")[:2] for v in it.verbs()] == [
        ["update", "EndpointSlice"],
        ["update", "Service"],
        ["update", "EndpointSlice"],
    ]
    assert [p.name for p in it.source.slices[SLICE].ports] == ["same", "new"]


def test_a_mirror_being_deleted_is_waited_for():
    it = Sim().export()
    it.settle()
    it.source.put_service(replace(it.source.services[MIRROR], deleting=True))
    it.log.clear()
    assert "being deleted" in it.settle()[WEB].message and it.log == []


def test_probe_objects_are_always_ready():
    it = Sim(gateway=(world.Address("192.0.2.7", False),))
    it.settle()
    key = names.Key("linkerd-multicluster", "probe-west")
    assert it.source.services[key].ports == (world.Port("mc-probe", 4191),)
    assert it.source.slices_of(key)[0].endpoints == (("192.0.2.7", True),)


def test_several_addresses_get_a_probe_each():
    it = Sim(gateway=(world.Address("192.0.2.7"), world.Address("192.0.2.8")))
    it.settle()
    assert {k.name for k in it.source.services} == {"probe-west", "probe-west-192-0-2-7", "probe-west-192-0-2-8"}
    it.gateway = it.gateway[:1]
    it.settle()
    assert {k.name for k in it.source.services} == {"probe-west"}


def test_teardown_leaves_nothing_of_ours_and_everything_else():
    it = Sim().export(service(), service("b")).user_has(service("mine"), service("b-west"))
    it.settle()
    it.apply(plan.teardown(it.now))
    assert set(it.source.services) == {names.Key("shop", "mine"), names.Key("shop", "b-west")} and not it.source.slices


def test_a_link_without_gateway_says_so():
    link = spec.parse("west", "linkerd-multicluster", "u", {"targetClusterName": "west"})
    it = Sim(link=link, gateway=()).export()
    assert "has no gateway address" in it.settle()[WEB].message
