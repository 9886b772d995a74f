"""How many requests a second: HTTPLocalRateLimitPolicies, and what a Server's answer says of them."""

import pytest

from isthmus import names
from isthmus.errors import BadValue
from isthmus.kube import crds
from isthmus.policy import authz, inbound, limits
from tests.unit.destination.cluster import custom, pod, server
from tests.unit.policy.cluster import OUR_ID, known

POD = names.Key("shop", "web-a")
TARGET = {"group": "policy.linkerd.io", "kind": "Server", "name": "srv"}
BUYER = {"kind": "ServiceAccount", "name": "buyer"}


def limit(name="calm", created="2026-01-01T00:00:00Z", target=TARGET, **spec):
    spec = {key: {"requestsPerSecond": rate} if isinstance(rate, int) else rate for key, rate in spec.items()}
    return custom(crds.HTTPLocalRateLimitPolicy, name, {"targetRef": target} | spec, created=created)


def answer(*objects, protocol="unknown"):
    world = known(pod(), server(protocol=protocol), *objects)
    return inbound.answer(world, world.pods[POD], 8080).protocol, world


@pytest.mark.parametrize(
    "protocol, at",
    [
        ("unknown", lambda p: p.detect.http_local_rate_limit),
        ("HTTP/1", lambda p: p.http1.local_rate_limit),
        ("HTTP/2", lambda p: p.http2.local_rate_limit),
    ],
)
def test_a_server_s_answer_holds_its_limit(protocol, at):
    overrides = [{"requestsPerSecond": 50, "clientRefs": [BUYER]}]
    told, _ = answer(limit(total=100, identity=10, overrides=overrides), protocol=protocol)
    found = at(told)
    assert (found.total.requestsPerSecond, found.identity.requestsPerSecond) == (100, 10)
    (own,) = found.overrides
    assert (own.limit.requestsPerSecond, [i.name for i in own.clients.identities]) == (50, [OUR_ID])
    assert (found.metadata.resource.kind, found.metadata.resource.name) == ("HTTPLocalRateLimitPolicy", "calm")


def test_the_oldest_counts_and_another_server_s_does_not():
    other = limit("aaa", target=TARGET | {"name": "other"}, total=1)
    told, _ = answer(other, limit("bbb", "2026-02-01T00:00:00Z", total=2), limit("ccc", total=3))
    assert told.detect.http_local_rate_limit.total.requestsPerSecond == 3
    told, _ = answer(other)
    assert not told.detect.HasField("http_local_rate_limit")


@pytest.mark.parametrize(
    "spec, why",
    [
        pytest.param({"target": TARGET | {"kind": "Service"}}, "a Server", id="no-server"),
        pytest.param({"target": TARGET | {"namespace": "far"}}, "own namespace", id="far"),
        pytest.param({"total": 0}, "from 1", id="zero"),
        pytest.param({"total": 5, "identity": 6}, "from 1 to 5", id="above-total"),
        pytest.param({"total": {"requestsPerSecond": "many"}}, "from 1", id="no-number"),
        pytest.param({"overrides": [{"requestsPerSecond": 1, "clientRefs": []}]}, "clientRefs", id="nobody"),
        pytest.param(
            {"overrides": [{"requestsPerSecond": 1, "clientRefs": [BUYER | {"kind": "Pod"}]}]},
            "ServiceAccount",
            id="pod",
        ),
    ],
)
def test_what_cannot_be_read_limits_nothing_and_is_told(spec, why):
    broken = limit(**spec)
    with pytest.raises(BadValue, match=why):
        limits.parse(broken.metadata, broken.spec, authz.Naming("linkerd", "cluster.local"))
    told, world = answer(broken)
    assert not told.detect.HasField("http_local_rate_limit")
    assert len(world.take_complaints()) == 1
