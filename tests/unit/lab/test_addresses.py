"""LoadBalancer addresses: the step from what is to what should be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus import names
from isthmus.lab.node import addresses

POOL = ["10.99.1.1", "10.99.1.2"]
A, B, C = (names.Key("ns", n) for n in "abc")


def step(
    *seen: tuple[names.Key, bool, str], on: tuple[str, ...] = ()
) -> tuple[dict[names.Key, str], set[str], set[str], int]:
    plan = addresses.plan([addresses.Seen(*s) for s in seen], frozenset(on), POOL)
    return dict(plan.write), set(plan.add), set(plan.remove), len(plan.waiting)


Seen = list[tuple[names.Key, bool, str]]
NOBODY: Seen = []
NONE: dict[names.Key, str] = {}
NO: set[str] = set()


@pytest.mark.parametrize(
    "seen, on, expected",
    [
        pytest.param(NOBODY, (), (NONE, NO, NO, 0), id="nothing"),
        pytest.param([(A, True, "")], (), ({A: POOL[0]}, {POOL[0]}, NO, 0), id="a-new-one-gets-the-first"),
        pytest.param([(A, True, POOL[0])], (POOL[0],), (NONE, NO, NO, 0), id="all-is-well"),
        pytest.param([(A, True, POOL[0])], (), (NONE, {POOL[0]}, NO, 0), id="after-a-restart-of-the-node"),
        pytest.param(
            [(B, True, POOL[0]), (A, True, "")], (POOL[0],), ({A: POOL[1]}, {POOL[1]}, NO, 0), id="kept-before-new"
        ),
        pytest.param(NOBODY, (POOL[0],), (NONE, NO, {POOL[0]}, 0), id="the-service-is-gone"),
        pytest.param([(A, False, POOL[0])], (POOL[0],), ({A: ""}, NO, {POOL[0]}, 0), id="no-longer-a-balancer"),
        pytest.param([(A, True, "192.0.2.9")], (), ({A: POOL[0]}, {POOL[0]}, NO, 0), id="not-of-the-pool"),
        pytest.param([(A, False, "192.0.2.9")], ("10.99.0.1",), (NONE, NO, NO, 0), id="not-ours-to-touch"),
        pytest.param(
            [(A, True, POOL[0]), (B, True, POOL[0])], (), ({B: POOL[1]}, set(POOL), NO, 0), id="one-address-twice"
        ),
        pytest.param(
            [(A, True, ""), (B, True, ""), (C, True, "")],
            (),
            ({A: POOL[0], B: POOL[1]}, set(POOL), NO, 1),
            id="too-many",
        ),
    ],
)
def test_steps(seen: Seen, on: tuple[str, ...], expected: object) -> None:
    assert step(*seen, on=on) == expected


SEEN = st.lists(
    st.tuples(st.sampled_from([A, B, C]), st.booleans(), st.sampled_from(["", *POOL, "192.0.2.9"])),
    unique_by=lambda s: s[0],
)


@given(SEEN, st.sets(st.sampled_from(POOL)))
def test_after_a_step_there_is_nothing_left_to_do(seen: Seen, on: set[str]) -> None:
    write, add, remove, waiting = step(*seen, on=tuple(on))
    then = [(key, wants, write.get(key, has)) for key, wants, has in seen]
    assert step(*then, on=tuple((on | add) - remove)) == (NONE, NO, NO, waiting)
    given_out = [has for _, wants, has in then if wants and has in POOL]
    assert len(given_out) == len(set(given_out))
