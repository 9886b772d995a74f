"""Laws of the plan, whatever the two clusters hold: it settles, it keeps its hands off, and no endpoint is lost on the way."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus import names
from isthmus.multicluster import plan, world
from tests.unit.multicluster import sim
from tests.unit.multicluster.sim import Sim, remote_slice, service

NAMES = st.sampled_from(["a", "a-b", "b", "probe", "a" * 63])
PLACES = st.sampled_from(["shop", "lab", "linkerd-multicluster", "missing"])
PORTS = st.lists(
    st.tuples(st.sampled_from(["http", "grpc", "x"]), st.integers(1, 4), st.sampled_from([None, "http"])),
    max_size=3,
    unique_by=lambda p: p[0],
)
MARKS = st.sampled_from(
    [{}, {"app": "x"}, {names.EXPORTED: "true"}, {names.MIRRORED_SERVICE: "true", names.CLUSTER_NAME: "b-west"}]
)
KINDS = st.sampled_from([{}, {}, {}, {"clusterIP": "None"}, {"type": "ExternalName"}])
SERVICES = st.builds(lambda n, ns, p, m, k: service(n, ns, tuple(p), m, **k), NAMES, PLACES, PORTS, MARKS, KINDS)
TAKEN = st.builds(lambda n, ns, m: service(f"{n}-west"[:63], ns, labels=m), NAMES, PLACES, MARKS)
ADDRESSES = st.lists(
    st.builds(world.Address, st.sampled_from(["192.0.2.7", "192.0.2.8", "2001:db8::7"]), st.booleans()),
    max_size=3,
    unique_by=lambda a: a.ip,
).map(tuple)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("export"), SERVICES),
        st.tuples(st.just("unexport"), st.tuples(PLACES, NAMES)),
        st.tuples(st.just("ready"), st.tuples(PLACES, NAMES, st.booleans())),
        st.tuples(st.just("gateway"), ADDRESSES),
        st.tuples(st.just("settle"), st.none()),
    ),
    max_size=12,
)


def play(it: Sim, steps) -> Sim:
    for verb, what in steps:
        match verb:
            case "export":
                it.export(what)
            case "unexport":
                it.target.drop_service(names.Key(*what))
            case "ready":
                it.target.put_slice(remote_slice(what[1], what[0], (what[2],)))
            case "gateway":
                it.gateway = what
            case _:
                it.settle()
    return it


def begin(taken) -> Sim:
    it = Sim().user_has(*taken)
    it.source.namespaces["lab"] = True
    return it


@settings(max_examples=300, deadline=None)
@given(st.lists(TAKEN, max_size=3), STEPS)
def test_it_settles(taken, steps):
    it = play(begin(taken), steps)
    # A name given up by one export may be taken by the next only in the following pass.
    for _ in range(3):
        it.settle()
    it.log.clear()
    it.settle()
    assert it.verbs() == []


@settings(max_examples=300, deadline=None)
@given(st.lists(TAKEN, max_size=3), STEPS)
def test_it_keeps_its_hands_off(taken, steps):
    it = begin(taken)
    before = {k: s for k, s in it.source.services.items() if s.cluster != "west"}
    play(it, steps).settle()
    it.apply(plan.teardown(it.now))
    assert {k: it.source.services.get(k) for k in before} == before
    assert not [s for s in it.source.services.values() if "west" in (s.cluster, s.gateway_of)] and not it.source.slices


@settings(max_examples=300, deadline=None)
@given(STEPS, STEPS)
def test_no_port_loses_its_endpoints_on_the_way(first, then):
    it = play(begin(()), first)
    it.gateway = it.gateway or sim.Sim().gateway
    it.settle()
    play(it, [s for s in then if s[0] in ("export", "ready")])
    for key in sorted(plan.keys(it.now), key=str):
        held = {m.key for m in it.source.mirrors("west", key)}
        for action in plan.decide(it.now, key).actions:
            it.step(action)
            for mirror in it.source.mirrors("west", key):
                served = {p.name for s in it.source.slices_of(mirror.key) for p in s.ports}
                assert mirror.key not in held or {p.name for p in mirror.ports} <= served, it.verbs()


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_what_is_written_is_bound_to_what_was_seen(steps):
    it = play(begin(()), steps)
    for key in plan.keys(it.now):
        for action in plan.decide(it.now, key).actions:
            assert (action.verb == "create") == (action.have is None)
            assert action.verb == "delete" or action.want is not None
            assert action.have is None or replace(action.have, version="0").key == action.key
