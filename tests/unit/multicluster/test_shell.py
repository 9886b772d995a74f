"""The shell's small machines: the queue of keys, tokens and credentials, objects as they are written, rows for people."""

import asyncio
import base64
import json
import random

import pytest
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Secret
from prometheus_client import CollectorRegistry, generate_latest

from isthmus import names
from isthmus.errors import BadValue
from isthmus.multicluster import gateway, objects, plan, world
from isthmus.multicluster.shell import meters, survey, target, work
from tests.unit.multicluster.sim import MIRROR, Sim, service

A, B = names.Key("shop", "a"), names.Key("shop", "b")


def queue() -> work.Queue:
    return work.Queue(random.Random(1))


async def test_a_key_is_due_once_however_often_it_is_added():
    one = queue()
    one.add(A, B, A)
    assert [await one.take(), await one.take()] == [A, B] and len(one) == 2


async def test_a_key_added_while_busy_comes_again_after():
    one = queue()
    one.add(A)
    await one.take()
    one.add(A)
    one.done(A)
    assert await one.take() == A


async def test_no_key_is_worked_on_twice_at_a_time():
    one = queue()
    one.add(A)
    await one.take()
    one.add(A)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.take(), 0.02)


async def test_a_failed_key_comes_again_later_and_later():
    one, loop, waits = queue(), asyncio.get_running_loop(), []
    one.add(A)
    for _ in range(3):
        await one.take()
        start = loop.time()
        one.done(A, failed=True)
        await asyncio.wait_for(_until_due(one), 1)
        waits.append(loop.time() - start)
    assert waits[0] < waits[1] < waits[2] < 0.4


async def _until_due(one: work.Queue) -> None:
    while not len(one):
        await asyncio.sleep(0.001)


async def test_a_change_does_not_wait_for_the_delay_of_a_failure():
    one = queue()
    one.add(A)
    await one.take()
    one.done(A, failed=True)
    one.add(A)
    assert await asyncio.wait_for(one.take(), 0.01) == A
    one.close()


async def test_idle_is_when_nothing_is_due_or_busy():
    one = queue()
    await one.wait_idle()
    one.add(A)
    await one.take()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.wait_idle(), 0.01)
    one.done(A)
    await one.wait_idle()


def jwt(**claims: float) -> str:
    return "x." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".y"


def config(token: str) -> str:
    return objects.kubeconfig(cluster="west", server="https://192.0.2.7", ca=b"", token=token, account="a")


@pytest.mark.parametrize(
    "text, due",
    [
        pytest.param(config(jwt(iat=100, exp=400)), 200.0, id="a-third"),
        pytest.param(config(jwt(iat=100)), None, id="without-end"),
        pytest.param(config("opaque"), None, id="not-a-jwt"),
        pytest.param("apiVersion: v1", None, id="yaml-by-hand"),
        pytest.param(json.dumps({"users": []}), None, id="no-user"),
    ],
)
def test_when_a_token_is_renewed(text, due):
    life = target.lifetime(text)
    assert (life.due() if life else None) == due


def test_a_renewed_config_differs_in_its_token_only():
    old, new = json.loads(config("old")), json.loads(target.with_token(config("old"), "new"))
    assert new["users"][0]["user"] == {"token": "new"} and old["clusters"] == new["clusters"]


def secret(**data: str) -> Secret:
    return Secret(metadata=ObjectMeta(name="c", annotations={objects.ACCOUNT: "acc"}), data=data)


@pytest.mark.parametrize(
    "held",
    [
        pytest.param(None, id="missing"),
        pytest.param(secret(), id="empty"),
        pytest.param(secret(kubeconfig="***"), id="not-base64"),
        pytest.param(secret(kubeconfig="/w=="), id="not-text"),
    ],
)
def test_unreadable_credentials_name_the_secret(held):
    with pytest.raises(BadValue, match="Secret mc/c"):
        target.credentials(held, names.Key("mc", "c"))


def test_credentials():
    held = secret(kubeconfig=base64.b64encode(b"text").decode())
    assert target.credentials(held, names.Key("mc", "c")) == target.Credentials("text", "acc")


def mirrored() -> Sim:
    it = Sim().export(service(labels={"app": "web"}, ports=(("http", 80, "http"),)))
    it.settle()
    return it


def test_a_service_we_write_is_a_service_we_read():
    want = mirrored().source.services[MIRROR]
    again = world.local(work.service(want))
    assert (again.ports, again.labels, again.origin, again.cluster) == (want.ports, want.labels, want.origin, "west")


def test_a_slice_we_write_is_a_slice_we_read():
    (want,) = mirrored().source.slices_of(MIRROR)
    again = world.mirror_slice(work.endpoint_slice(want))
    assert again is not None
    assert (again.endpoints, again.ports, again.origin, again.identity) == (
        want.endpoints,
        want.ports,
        want.origin,
        want.identity,
    )


def test_a_patch_drops_what_was_copied_and_is_bound_to_a_version():
    it = mirrored()
    it.export(service(ports=(("http", 81, None),)))
    (action,) = [a for a in plan.decide(it.now, names.Key("shop", "web")).actions if a.kind == "Service"]
    assert isinstance(action.want, world.Local) and isinstance(action.have, world.Local)
    patch = work.service_patch(action.want, action.have)
    assert patch["metadata"]["labels"]["app"] is None and patch["metadata"]["annotations"][world.COPIED] is None
    assert patch["metadata"]["resourceVersion"] == action.have.version
    assert patch["spec"]["ports"] == [{"name": "http", "port": 81, "protocol": "TCP"}]


def numbers() -> tuple[meters.Meters, CollectorRegistry]:
    registry = CollectorRegistry()
    return meters.Meters(registry), registry


def page(*millis: float) -> str:
    made, registry = numbers()
    for value in millis:
        made.probe("west", target_reply(value))
    return generate_latest(registry).decode()


def target_reply(millis: float):
    return gateway.Reply(gateway.Outcome.SUCCESS, millis / 1000)


@pytest.mark.parametrize(
    "pages, expected",
    [
        pytest.param([], None, id="no-pages"),
        pytest.param([page()], None, id="no-samples"),
        pytest.param([page(2, 2, 400)], 2, id="one-page"),
        pytest.param([page(2), page(40, 40)], 40, id="two-pages"),
    ],
)
def test_median_latency(pages, expected):
    assert survey.median("west", pages) == expected


def test_row_of_a_link():
    said = {"conditions": [{"type": "GatewayAlive", "status": "True"}], "summary": {"mirrored": 7}}
    assert survey.row("west", said, []) == survey.Row("west", alive=True, services=7, latency=None)


def test_a_gateway_that_is_unknown_again_claims_nothing():
    made, registry = numbers()
    shown = []
    for health in (gateway.Health.UNKNOWN, gateway.Health.DEAD, gateway.Health.UNKNOWN, gateway.Health.ALIVE):
        made.alive("west", health)
        shown.append(registry.get_sample_value("gateway_alive", {"target_cluster_name": "west"}))
    assert shown == [None, 0, None, 1]


def test_a_link_that_goes_takes_its_series_along():
    made, registry = numbers()
    made.enabled("west", on=True)
    made.probe("west", target_reply(3))
    made.mirrors("west", {A: plan.Condition(True, "Mirrored")})
    made.forget("west")
    assert b'target_cluster_name="west"' not in generate_latest(registry)
