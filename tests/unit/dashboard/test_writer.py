"""Weights are written in the version that was looked at, for the backends there are, and shown as a diff before."""

import pytest

from isthmus import names
from isthmus.dashboard import shapes_more, writer
from isthmus.errors import BadValue
from tests.unit.dashboard import doubles

ID = "east|policy.linkerd.io|HTTPRoute|demo|web|0"
SPLIT = "east|split.smi-spec.io|TrafficSplit|demo|web|0"


def route(here=50, there=50, version="7"):
    refs = [{"name": "web", "port": 8888, "weight": here}, {"name": "web-west", "port": 8888, "weight": there}]
    meta = {"name": "web", "namespace": "demo", "resourceVersion": version, "uid": "u"}
    spec = {"parentRefs": [{"kind": "Service", "name": "web"}], "rules": [{"backendRefs": refs}, {"backendRefs": []}]}
    return {"apiVersion": "policy.linkerd.io/v1beta3", "kind": "HTTPRoute", "metadata": meta, "spec": spec}


def traffic_split():
    backends = [{"service": "web", "weight": "500m"}, {"service": "web-west", "weight": 1}]
    meta = {"name": "web", "namespace": "demo", "resourceVersion": "7", "uid": "u"}
    spec = {"service": "web", "backends": backends}
    return {"apiVersion": "split.smi-spec.io/v1alpha2", "kind": "TrafficSplit", "metadata": meta, "spec": spec}


def change(*weights, ident=ID, version="7", port: int | None = 8888):
    told = [
        shapes_more.Weight("demo", name, port, weight) for name, weight in weights or (("web", 90), ("web-west", 10))
    ]
    return shapes_more.SplitChange(ident, version, told)


def rooms(doc=None):
    server = doubles.Kube({"httproutes": [doc or route()], "trafficsplits": [traffic_split()]})
    return server, doubles.room(doubles.cluster(server=server))


def test_only_weights_of_one_rule_change():
    wanted = writer.plan(route(), writer.Target.parse(ID), change())
    assert [r["weight"] for r in wanted["spec"]["rules"][0]["backendRefs"]] == [90, 10]
    assert wanted["spec"].keys() == {"rules"} and len(wanted["spec"]["rules"]) == 2
    assert wanted["metadata"] == {"name": "web", "namespace": "demo", "resourceVersion": "7", "uid": "u"}


def test_weights_of_a_traffic_split():
    wanted = writer.plan(traffic_split(), writer.Target.parse(SPLIT), change(ident=SPLIT, port=None))
    assert wanted["spec"] == {"backends": [{"service": "web", "weight": 90}, {"service": "web-west", "weight": 10}]}


@pytest.mark.parametrize(
    "weights, says",
    [
        ([("web", 0), ("web-west", 0)], "all 0"),
        ([("web", -1), ("web-west", 1)], "the weight of web is -1"),
        ([("web", 1_000_001), ("web-west", 1)], "from 0 to 1000000"),
        ([("web", 1)], "not the backends there are"),
        ([("web", 1), ("other", 1)], "not the backends there are"),
        ([("web", 1), ("web", 1)], "not the backends there are"),
    ],
)
def test_weights_that_cannot_hold_are_refused(weights, says):
    with pytest.raises(BadValue, match=says):
        writer.plan(route(), writer.Target.parse(ID), change(*weights))


@pytest.mark.parametrize(
    "ident", ["", "east", "east|apps|Deployment|demo|web|0", "east|policy.linkerd.io|HTTPRoute|demo|web|x", "||||||"]
)
def test_an_id_of_nothing_we_write_is_refused(ident):
    with pytest.raises(BadValue, match="not a split's"):
        writer.Target.parse(ident)


def test_an_older_version_is_a_conflict():
    with pytest.raises(writer.Conflict, match="HTTPRoute demo/web was changed by somebody else meanwhile"):
        writer.plan(route(version="8"), writer.Target.parse(ID), change())


async def test_a_preview_shows_the_diff_and_writes_nothing():
    server, room = rooms()
    seen = await writer.preview(room, change())
    assert [(line.sign, line.text.strip()) for line in seen.lines if line.sign != " "] == [
        ("-", "weight: 50"),
        ("+", "weight: 90"),
        ("-", "weight: 50"),
        ("+", "weight: 10"),
    ]
    assert seen.changed and not server.applied
    assert "--type=json" in seen.command and '"path": "/spec/rules/0/backendRefs/0/weight", "value": 90' in seen.command


async def test_what_was_previewed_is_written():
    server, room = rooms()
    done = await writer.write(room, change())
    assert done.version == "next" and done.says == "HTTPRoute demo/web: web 90, web-west 10"
    assert len(server.applied) == 1


async def test_somebody_is_faster_between_look_and_write():
    class Racing(doubles.Kube):
        def _patched(self, request, found):
            found["metadata"]["resourceVersion"] = "8"
            return super()._patched(request, found)

    room = doubles.room(doubles.cluster(server=Racing({"httproutes": [route()]})))
    with pytest.raises(writer.Conflict, match="somebody else"):
        await writer.write(room, change())


async def test_an_object_that_is_gone_is_a_conflict():
    room = doubles.room(doubles.cluster(server=doubles.Kube({"httproutes": []})))
    with pytest.raises(writer.Conflict, match="gone from cluster 'east'"):
        await writer.preview(room, change())


def test_the_key_of_a_target():
    assert writer.Target.parse(ID).key == names.Key("demo", "web")
