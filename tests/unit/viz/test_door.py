"""The way in by HTTP: what is answered, and how the rest is refused."""

import asyncio

import pytest
from google.protobuf import message

from isthmus.errors import IsthmusError, Unreachable
from isthmus.serve.refusal import Refused
from isthmus.viz import door
from tests.unit.viz import cluster as c


async def knock(path="/rpc/s/Echo", method="POST", body=b"hello", *, whole=True, query=b"", parts=None):
    async def echo(data):
        return data + b"!"

    async def fails(error):
        raise error

    errors = {
        "Decode": message.DecodeError(),
        "Refused": Refused("invalid", "no such window"),
        "Away": Unreachable("Prometheus does not answer"),
        "Wrong": IsthmusError("Prometheus refuses"),
        "Late": TimeoutError(),
    }
    methods = {"s/Echo": echo, **{f"s/{name}": lambda _, e=error: fails(e) for name, error in errors.items()}}
    app = door.Door(methods, c.known(c.pod("a", ip="10.0.0.1")), lambda: whole)
    pieces = iter(parts or [body])
    left = [len(parts or [body])]

    async def receive():
        left[0] -= 1
        return {"type": "http.request", "body": next(pieces), "more_body": left[0] > 0}

    sent = []

    async def send(event):
        sent.append(event)

    await app({"type": "http", "path": path, "method": method, "query_string": query}, receive, send)
    return sent[0]["status"], sent[1]["body"], dict(sent[0]["headers"])


async def test_a_question_is_answered_in_its_own_type():
    status, body, headers = await knock(parts=[b"hel", b"lo"])
    assert (status, body, headers[b"content-type"]) == (200, b"hello!", b"application/x-protobuf")


@pytest.mark.parametrize(
    "path, method, status",
    [
        ("/rpc/s/Nothing", "POST", 404),
        ("/", "GET", 404),
        ("/rpc/s/Echo", "GET", 405),
        ("/rpc/s/Decode", "POST", 400),
        ("/rpc/s/Refused", "POST", 400),
        ("/rpc/s/Away", "POST", 424),
        ("/rpc/s/Wrong", "POST", 422),
        ("/rpc/s/Late", "POST", 504),
    ],
)
async def test_refusals_are_a_status_and_a_sentence(path, method, status):
    found, body, headers = await knock(path, method)
    assert found == status and headers[b"content-type"].startswith(b"text/plain") and body.strip()


async def test_a_large_question_is_refused():
    assert (await knock(body=b"x" * (door.BODY + 1)))[0] == 413


async def test_targets_for_prometheus():
    status, body, headers = await knock("/targets", "GET", query=b"namespaces=shop,other")
    assert status == 200 and b"10.0.0.1:4191" in body and headers[b"content-type"] == b"application/json"
    assert (await knock("/targets", "GET", query=b"namespaces=other"))[1] == b"[]"


async def test_nothing_is_said_of_half_a_cluster():
    assert [(await knock(path, "GET", whole=False))[0] for path in ("/targets", "/rpc/s/Echo")] == [503, 503]


async def test_only_so_many_at_once():
    gate = asyncio.Event()

    async def waits(data):
        await gate.wait()
        return data

    app = door.Door({"s/Wait": waits}, c.known(), lambda: True)
    statuses = []

    async def ask():
        async def receive():
            return {"type": "http.request", "body": b""}

        async def send(event):
            statuses.extend([event["status"]] if "status" in event else [])

        await app({"type": "http", "path": "/rpc/s/Wait", "method": "POST", "query_string": b""}, receive, send)

    async with asyncio.TaskGroup() as group:
        for _ in range(door.AT_ONCE + 3):
            group.create_task(ask())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gate.set()
    assert statuses.count(429) == 3 and statuses.count(200) == door.AT_ONCE
