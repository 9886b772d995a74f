"""What a Link says of itself: every line, every limit, and times that move only when something changed."""

import pytest

from isthmus import names
from isthmus.multicluster import gateway, plan, status

WEB, API = names.Key("shop", "web"), names.Key("shop", "api")
GOOD = plan.Condition(True, "Mirrored", "", names.Key("shop", "web-west"))
BAD = plan.Condition(False, "NameTaken", "taken")
UP = {"Valid": status.Fact(True, "Accepted")}


def board(**outcomes: gateway.Outcome) -> gateway.Board:
    made = gateway.Board(1)
    made.resolve({"gw": ("192.0.2.7", "192.0.2.8")})
    for ip, outcome in outcomes.items():
        made.record(ip.replace("_", "."), outcome, 1.0)
    return made


def test_entries_have_linkerds_shape():
    entry = status.build({}, UP, {WEB: GOOD}, None, "T1")["mirrorServices"][0]
    assert entry["remoteRef"] == {"group": "core", "kind": "Service", "name": "web", "namespace": "shop"}
    assert entry["controllerName"] == "linkerd.io/service-mirror"
    assert entry["conditions"][0] == {
        "type": "Mirrored",
        "status": "True",
        "reason": "Mirrored",
        "message": "",
        "localRef": {"group": "core", "kind": "Service", "name": "web-west", "namespace": "shop"},
        "lastTransitionTime": "T1",
    }


@pytest.mark.parametrize(
    "before, after, time",
    [
        pytest.param(GOOD, GOOD, "T1", id="same"),
        pytest.param(GOOD, BAD, "T2", id="worse"),
        pytest.param(BAD, plan.Condition(False, "Error", "other words"), "T1", id="other-words-only"),
    ],
)
def test_transition_time(before, after, time):
    first = status.build({}, UP, {WEB: before}, None, "T1")
    second = status.build(first, UP, {WEB: after}, None, "T2")
    assert second["mirrorServices"][0]["conditions"][0]["lastTransitionTime"] == time


def test_nothing_new_is_the_same_status():
    first = status.build({}, UP, {WEB: GOOD, API: BAD}, board(), "T1")
    assert status.build(first, UP, {WEB: GOOD, API: BAD}, board(), "T2") == first


def test_not_known_yet_keeps_what_stands():
    first = status.build({}, UP, {WEB: GOOD}, board(), "T1")
    second = status.build(first, UP, None, None, "T2")
    assert second["mirrorServices"] == first["mirrorServices"] and second["gateway"] == first["gateway"]


def test_a_thousand_exports_are_counted_and_the_troubled_shown():
    services = {names.Key("shop", f"s{i}"): GOOD for i in range(1000)} | {names.Key("shop", "zz"): BAD}
    made = status.build({}, UP, services, None, "T1")
    assert made["summary"] == {"exported": 1001, "mirrored": 1000, "refused": 1, "shown": status.SHOWN}
    assert "zz" in {entry["remoteRef"]["name"] for entry in made["mirrorServices"]}


def test_addresses_are_shown_one_by_one_with_those_refused():
    one = board(**{"192_0_2_7": gateway.Outcome.FAILURE})
    one.resolve({"gw": ("192.0.2.7", "192.0.2.8", "127.0.0.1")})
    assert status.build({}, UP, {}, one, "T1")["gateway"] == [
        {"address": "192.0.2.7", "health": "dead", "since": "T1"},
        {"address": "192.0.2.8", "health": "unknown", "since": "T1"},
        {"address": "127.0.0.1", "health": "refused", "message": "a loopback address"},
    ]


def test_the_next_mirror_reads_which_addresses_were_dead():
    made = status.build({}, UP, {}, board(**{"192_0_2_7": gateway.Outcome.FAILURE}), "T1")
    assert status.dead_addresses(made) == {"192.0.2.7"} and not status.dead_addresses({})


@pytest.mark.parametrize(
    "made, hosts, expected, words",
    [
        pytest.param(gateway.Board(3), (), None, "names no gateway", id="no-gateway"),
        pytest.param(gateway.Board(3), ("gw",), None, "no usable address of gw", id="no-address"),
        pytest.param(board(), ("gw",), None, "no probe of 2", id="not-probed"),
        pytest.param(
            board(**{"192_0_2_7": gateway.Outcome.SUCCESS}), ("gw",), True, "1 of 2 addresses answer", id="one-alive"
        ),
        pytest.param(
            board(**{"192_0_2_7": gateway.Outcome.FAILURE, "192_0_2_8": gateway.Outcome.FAILURE}),
            ("gw",),
            False,
            "none of 2",
            id="dead",
        ),
    ],
)
def test_gateway_fact(made, hosts, expected, words):
    fact = status.gateway_fact(made, hosts)
    assert fact.status is expected and words in fact.message
