"""The webhook: reviews in, answers out, over its ASGI face."""

import base64
import json

import jsonpatch
import prometheus_client
import pytest

from isthmus import logs, names
from isthmus.inject import api
from tests.unit.inject import builders as b


def review(kind="Pod", obj=None, namespace="shop"):
    return {"request": {"uid": "u1", "kind": {"kind": kind}, "namespace": namespace, "object": obj or b.pod(b.on())}}


async def post(body: bytes, *, mesh=b.MESH, space=None, registry=None):
    """One request to the application, as uvicorn would bring it."""

    async def spaces(_name):
        return space or {}

    meters = api.Meters(registry or prometheus_client.CollectorRegistry())
    app = api.application(lambda: mesh, spaces, meters, logs.get())
    sent: list[dict] = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    path = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b"", "http_version": "1.1"}
    await app(path, receive, send)
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


async def test_a_pod_that_asks_is_patched():
    pod = b.pod(b.on())
    status, body = await post(json.dumps(review(obj=pod)).encode())
    answer = json.loads(body)["response"]
    assert (status, answer["uid"], answer["allowed"], answer["patchType"]) == (200, "u1", True, "JSONPatch")
    got = jsonpatch.JsonPatch(json.loads(base64.b64decode(answer["patch"]))).apply(pod)
    assert [c["name"] for c in got["spec"]["initContainers"]] == ["linkerd-init", "linkerd-proxy"]


@pytest.mark.parametrize(
    ("asked", "space", "allowed", "patched", "said"),
    [
        pytest.param(review(obj=b.pod()), {}, True, False, "", id="nobody asked"),
        pytest.param(
            review(obj=b.pod(ports=(3306,))), {}, True, True, "", id="not meshed, but its opaque port is told"
        ),
        pytest.param(
            review("Service", {"spec": {"ports": [{"port": 3306}]}}), {}, True, True, "", id="a Service's opaque port"
        ),
        pytest.param(
            review("Service", {"spec": {"ports": [{"port": 80}]}}), {}, True, False, "", id="a Service without"
        ),
        pytest.param(review("Deployment", {}), {}, True, False, "", id="another kind"),
        pytest.param(
            review(obj=b.pod({names.INJECT: "yes"})),
            {},
            True,
            False,
            "Pod shop/web-1 not injected",
            id="nonsense: left alone, told",
        ),
        pytest.param(
            review(obj=b.pod(b.on(proxy_loglevel="debug"))),
            {},
            True,
            True,
            "config.linkerd.io/proxy-loglevel on Pod shop/web-1 has no effect",
            id="no setting: told",
        ),
        pytest.param(
            review(obj=b.pod(b.on())),
            b.on(opaque_port="7"),
            True,
            True,
            "on Namespace shop has no effect: no such setting; the nearest is config.linkerd.io/opaque-ports",
            id="no setting, of the namespace",
        ),
        pytest.param(
            review(obj=b.pod(b.on(inbound_port="x"))),
            {},
            False,
            False,
            "inbound-port (annotation on Pod shop/web-1)",
            id="unreadable: refused",
        ),
        pytest.param(
            review(obj=b.pod(b.on())),
            b.on(proxy_uid="-7"),
            False,
            False,
            "proxy-uid (annotation on Namespace shop)",
            id="of the namespace",
        ),
    ],
)
async def test_answers(asked, space, allowed, patched, said):
    _, body = await post(json.dumps(asked).encode(), space=space)
    answer = json.loads(body)["response"]
    assert (answer["allowed"], "patch" in answer) == (allowed, patched)
    words = answer.get("status", {}).get("message", "") + " ".join(answer.get("warnings", []))
    assert said in words
    assert allowed or "for example" in words


@pytest.mark.parametrize(
    ("body", "mesh", "status"),
    [
        pytest.param(b"no json", b.MESH, 400, id="no JSON"),
        pytest.param(b"[]", b.MESH, 400, id="no review"),
        pytest.param(json.dumps(review()).encode(), None, 503, id="values not known yet: failurePolicy decides"),
        pytest.param(b"x" * (api.BODY_LIMIT + 1), b.MESH, 413, id="too large"),
    ],
)
async def test_what_is_no_review_is_refused(body, mesh, status):
    assert (await post(body, mesh=mesh))[0] == status


async def test_pods_are_counted_by_owner_and_reason():
    registry = prometheus_client.CollectorRegistry()
    await post(json.dumps(review(obj=b.pod())).encode(), registry=registry)
    labels = {
        "owner_kind": "pod",
        "namespace": "shop",
        "skip": "true",
        "skip_reason": "injection_enable_annotation_absent",
    }
    assert registry.get_sample_value("proxy_inject_admission_responses_total", labels) == 1
