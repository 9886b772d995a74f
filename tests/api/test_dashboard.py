"""The dashboard against a real API server: splits are written in the version that was looked at, and each viewer has their own rights."""

import asyncio
import datetime as dt
from typing import Any

import pytest

from isthmus.dashboard import clusters, guard, login, looks, shapes_more, views, writer
from isthmus.dashboard.pages import common
from isthmus.install import core
from isthmus.install.viz import web
from isthmus.kube import client as kube

Doc = dict[str, Any]
RBAC = "rbac.authorization.k8s.io/v1"


def route(space: str, *weights: int) -> Doc:
    refs = [{"name": f"web-{n}", "port": 80, "weight": weight} for n, weight in enumerate(weights)]
    rules = [
        {"backendRefs": refs, "matches": [{"path": {"type": "PathPrefix", "value": "/a"}}]},
        {"backendRefs": refs[:1]},
    ]
    spec = {"parentRefs": [{"group": "core", "kind": "Service", "name": "web-0", "port": 80}], "rules": rules}
    return {
        "apiVersion": "policy.linkerd.io/v1beta3",
        "kind": "HTTPRoute",
        "metadata": {"name": "web", "namespace": space},
        "spec": spec,
    }


def traffic_split(space: str) -> Doc:
    backends = [{"service": "web-0", "weight": "500m"}, {"service": "web-1", "weight": "500m"}]
    meta = {"name": "web", "namespace": space}
    spec = {"service": "web-0", "backends": backends}
    return {"apiVersion": "split.smi-spec.io/v1alpha2", "kind": "TrafficSplit", "metadata": meta, "spec": spec}


def change(ident: str, version: str, *weights: int, port: int | None = 80) -> shapes_more.SplitChange:
    told = [shapes_more.Weight("", f"web-{n}", port, weight) for n, weight in enumerate(weights)]
    return shapes_more.SplitChange(ident, version, told)


@pytest.fixture
async def space_with_route(client: kube.Client, space: str) -> str:
    for document in core.definitions():
        await client.apply_dict(document)
    await applied(client, route(space, 50, 50))
    await applied(client, traffic_split(space))
    return space


async def applied(client: kube.Client, doc: Doc) -> Doc:
    """A definition is served a moment after it was made."""
    for _ in range(50):
        try:
            return await client.apply_dict(doc)
        except kube.ApiError as refused:
            if refused.status != 404:
                raise
            await asyncio.sleep(0.1)
    raise AssertionError("the definition is not served")


def room(client: kube.Client, token: str = "") -> clusters.Room:
    return clusters.room([client.access], clusters.Spaces(), name="east", token=token)


def ident(space: str, kind: str = "HTTPRoute", group: str = "policy.linkerd.io") -> str:
    return f"east|{group}|{kind}|{space}|web|0"


async def stored(client: kube.Client, doc: Doc) -> Doc:
    found = await client.get_dict(doc)
    assert found
    return found


async def test_weights_are_previewed_then_written_and_nothing_else_changes(
    client: kube.Client, space_with_route: str
) -> None:
    space = space_with_route
    before = await stored(client, route(space))
    version = before["metadata"]["resourceVersion"]
    mine = room(client)
    seen = await writer.preview(mine, change(ident(space), version, 90, 10))
    assert [line.text.strip() for line in seen.lines if line.sign == "+"] == ["weight: 90", "weight: 10"]
    assert (await stored(client, route(space)))["metadata"]["resourceVersion"] == version
    done = await writer.write(mine, change(ident(space), version, 90, 10))
    after = await stored(client, route(space))
    assert after["metadata"]["resourceVersion"] == done.version != version
    assert [r["weight"] for r in after["spec"]["rules"][0]["backendRefs"]] == [90, 10]
    assert after["spec"]["rules"][1] == before["spec"]["rules"][1]
    assert after["spec"]["parentRefs"] == before["spec"]["parentRefs"]
    assert after["spec"]["rules"][0]["matches"] == before["spec"]["rules"][0]["matches"]
    assert clusters.MANAGER in {m["manager"] for m in after["metadata"]["managedFields"]}
    await mine.close()


async def test_a_traffic_split_is_written_too(client: kube.Client, space_with_route: str) -> None:
    space = space_with_route
    version = (await stored(client, traffic_split(space)))["metadata"]["resourceVersion"]
    mine = room(client)
    asked = change(ident(space, "TrafficSplit", "split.smi-spec.io"), version, 3, 1, port=None)
    await writer.write(mine, asked)
    assert [b["weight"] for b in (await stored(client, traffic_split(space)))["spec"]["backends"]] == [3, 1]
    await mine.close()


async def test_whoever_was_faster_wins(client: kube.Client, space_with_route: str) -> None:
    space = space_with_route
    version = (await stored(client, route(space)))["metadata"]["resourceVersion"]
    mine = room(client)
    found, wanted = await writer._wanted(
        mine.clusters[0], writer.Target.parse(ident(space)), change(ident(space), version, 1, 0)
    )
    assert found["metadata"]["resourceVersion"] == version
    await client.apply_dict(route(space, 20, 80))  # between look and write
    with pytest.raises(writer.Conflict, match="changed by somebody else"):
        await writer._sent(mine.clusters[0], writer.Target.parse(ident(space)), wanted, dry_run=False)
    with pytest.raises(writer.Conflict, match="changed by somebody else"):
        await writer.write(mine, change(ident(space), version, 1, 0))
    await client.delete_dict(route(space))
    with pytest.raises(writer.Conflict):
        await writer._sent(mine.clusters[0], writer.Target.parse(ident(space)), wanted, dry_run=False)
    assert await client.get_dict(route(space)) is None
    await mine.close()


async def test_what_the_schema_refuses_is_told(client: kube.Client, space_with_route: str) -> None:
    space = space_with_route
    version = (await stored(client, route(space)))["metadata"]["resourceVersion"]
    mine = room(client)
    target, wanted = writer.Target.parse(ident(space)), route(space, 1, 1)
    wanted["metadata"]["resourceVersion"] = version
    wanted["spec"]["rules"][0]["backendRefs"][0]["weight"] = "many"
    with pytest.raises(kube.ApiError, match="weight"):
        await writer._sent(mine.clusters[0], target, wanted, dry_run=True)
    await mine.close()


# Login: a viewer is a ServiceAccount with a token.


async def viewer(client: kube.Client, space: str, *verbs: str) -> str:
    meta = {"name": "viewer", "namespace": space}
    await client.apply_dict({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    rules = [{"apiGroups": ["*"], "resources": ["*"], "verbs": list(verbs)}]
    await client.apply_dict({"apiVersion": RBAC, "kind": "Role", "metadata": meta, "rules": rules})
    subject = {"kind": "ServiceAccount", **meta}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "viewer"}
    await client.apply_dict(
        {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": meta, "subjects": [subject], "roleRef": ref}
    )
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    said = await client.raw("POST", f"/api/v1/namespaces/{space}/serviceaccounts/viewer/token", asked)
    return str(said["status"]["token"])


def logins(client: kube.Client) -> login.Logins:
    return login.Logins(lambda token: room(client, token), lambda: 0.0, busy=lambda _: False, ended=lambda _: None)


async def test_each_viewer_sees_and_changes_what_rbac_lets_them(client: kube.Client, space_with_route: str) -> None:
    space = space_with_route
    known = logins(client)
    _, seen = await known.login(await viewer(client, space, "get", "list"))
    assert seen.user == f"system:serviceaccount:{space}:viewer"
    version = (await stored(client, route(space)))["metadata"]["resourceVersion"]
    with pytest.raises(kube.ApiError) as refused:
        await writer.write(seen.room, change(ident(space), version, 1, 1))
    assert refused.value.status == 403 and "viewer" in refused.value.sentence
    answered, told = await clusters.each(seen.room.clusters, lambda at: looks.split_rules(at, common.Query(), []))
    assert not answered and told.problems[0].kind == "refused"  # all namespaces: more than they may
    await viewer(client, space, "get", "list", "patch")
    done = await writer.write(seen.room, change(ident(space), version, 1, 1))
    assert done.version != version
    await known.close()


async def test_the_viewers_role_is_enough_for_every_page(client: kube.Client, space_with_route: str) -> None:
    space = space_with_route
    token = await viewer(client, space, "watch")
    role = web.viewer()
    await client.apply_dict(role)
    subject = {"kind": "ServiceAccount", "name": "viewer", "namespace": space}
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": web.VIEWER}
    meta = {"name": f"viewers-{space}"}
    await client.apply_dict(
        {"apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": meta, "subjects": [subject], "roleRef": ref}
    )
    mine = room(client, token)
    query = common.Query(cluster="east", namespace=space, kind="deployment", name="web")
    for name, view in views.VIEWS.items():
        shown: Any = await view.make(views.Asked(mine, query, dt.datetime.now(dt.UTC)))
        told = [p.sentence for p in shown.head.problems if "cannot" in p.sentence]
        assert not told or name == "health", f"{name}: {told}"
    version = (await stored(client, route(space)))["metadata"]["resourceVersion"]
    with pytest.raises(kube.ApiError) as refused:
        await writer.write(mine, change(ident(space), version, 1, 1))
    assert refused.value.status == 403
    await mine.close()


async def test_a_token_the_server_does_not_know_is_no_login(client: kube.Client) -> None:
    with pytest.raises(guard.Refused, match="does not know this token"):
        await logins(client).login("eyJhbGciOiJub25lIn0.e30.")
