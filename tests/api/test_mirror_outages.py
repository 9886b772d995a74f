"""Links on real API servers when something is wrong: the target away, credentials spoilt, Links in each other's way; and unlinking."""

import asyncio
import base64
import pathlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import pytest
import yaml
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import ConfigMap, Namespace, Secret, Service, ServiceAccount
from lightkube.resources.discovery_v1 import EndpointSlice
from lightkube.resources.rbac_authorization_v1 import ClusterRole

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.install import anchor, manifest
from isthmus.kube import access, crds
from isthmus.kube import client as kube
from isthmus.multicluster import objects
from isthmus.multicluster.shell import target
from tests.api import pairs
from tests.api.pairs import NAMESPACE, condition, exported, mirror_of, slice_of, until

pytestmark = pytest.mark.api

SPACE = names.MULTICLUSTER_NS
ARN = "arn:aws:eks:eu-west-1:111122223333:cluster/west"


@pytest.fixture
def linked(pair: pairs.Pair) -> Iterator[None]:
    """East linked to west for one test, its mirror at work; nothing left afterwards."""
    with pair.mirror():
        pair.run("link", "east", "west", "--apply", "--wait", "0")
        yield
        pair.run("unlink", "east", "west", "--apply", ok=False)


async def there(client: kube.Client, name: str) -> bool:
    return await mirror_of(client, name) is not None and await slice_of(client, name) is not None


async def left(client: kube.Client) -> list[str]:
    """What a link may leave in its source."""
    found = [
        *await client.list(Service, labels={names.CLUSTER_NAME: "west"}),
        *await client.list(EndpointSlice, labels={names.CLUSTER_NAME: "west"}),
        *await client.list(crds.Link),
        *[s for s in await client.list(Secret, SPACE) if s.type == names.CREDENTIALS_TYPE],
        *await client.list(Lease, SPACE),
    ]
    return [f"{type(one).__name__} {one.metadata.name}" for one in found if one.metadata]


async def export(east: kube.Client, west: kube.Client, name: str, limit: float = 10) -> None:
    if await west.get(Service, name, NAMESPACE) is None:
        await west.create(exported(name))
    await until(lambda: there(east, name), "the mirror", limit=limit)


async def truth(client: kube.Client, kind: str, words: str) -> bool:
    return (await condition(client, kind)).startswith(words)


async def test_a_target_that_is_away_leaves_mirrors_untouched(
    pair: pairs.Pair, linked: None, east: kube.Client, west: kube.Client
) -> None:
    await export(east, west, "steady")
    before = await mirror_of(east, "steady"), await slice_of(east, "steady")
    pair.run("lab", "stop", "west", "kube-apiserver")
    try:
        await until(lambda: truth(east, "TargetReachable", "False"), "the Link says so", limit=20)
        await asyncio.sleep(10)
        assert (await mirror_of(east, "steady"), await slice_of(east, "steady")) == before
    finally:
        pair.run("lab", "start", "west", "kube-apiserver")
    await until(lambda: truth(east, "TargetReachable", "True"), "the Link is well again", limit=60)
    await asyncio.to_thread(pair.run, "lab", "status")
    # The mirror's watches may be between two tries.
    await export(east, west, "after", limit=30)


async def test_spoilt_credentials_keep_the_old_session(linked: None, east: kube.Client, west: kube.Client) -> None:
    await export(east, west, "kept")
    name = names.credentials("west")
    good = await east.get(Secret, name, SPACE)
    assert good
    await east.patch(Secret, name, {"data": {"kubeconfig": base64.b64encode(b"apiVersion: v1").decode()}}, SPACE)
    await until(lambda: truth(east, "TargetReachable", "False"), "the Link says so", limit=20)
    await export(east, west, "by-the-old-session")
    await east.patch(Secret, name, {"data": cast("dict[str, str]", good.data)}, SPACE)
    await until(lambda: truth(east, "TargetReachable", "True"), "the Link is well again", limit=40)
    assert await there(east, "kept")


async def test_the_source_may_renew_its_token_and_nothing_else(
    pair: pairs.Pair, linked: None, east: kube.Client, west: kube.Client
) -> None:
    secret = await east.get(Secret, names.credentials("west"), SPACE)
    held = target.credentials(secret, names.Key(SPACE, "west"))
    life = target.lifetime(held.config)
    assert held.account and held.account == objects.account_name("east")
    assert life and life.expires - life.issued > 86_400
    # The address is the one pods use; this test stands elsewhere and goes by its own road.
    server = access.parse(held.config, source="test").server
    assert server == pair.lab.cluster("west").server
    as_source = access.parse(held.config.replace(server, west.access.server), source="test")
    async with kube.Client(as_source) as client:
        assert await target.new_token(client, held.account, 600)
        for path in ("/api/v1/secrets", "/api/v1/pods", f"/api/v1/namespaces/{SPACE}/serviceaccounts"):
            with pytest.raises(kube.ApiError) as refused:
                await client.raw("GET", path)
            assert refused.value.status == 403


def link(name: str, cluster: str, notes: dict[str, str] | None = None) -> dict[str, object]:
    meta = {"name": name, "namespace": SPACE, "annotations": notes or {}}
    return {"apiVersion": objects.LINK_API, "kind": "Link", "metadata": meta, "spec": {"targetClusterName": cluster}}


async def test_a_second_link_to_a_cluster_is_refused_and_harmless(
    linked: None, east: kube.Client, west: kube.Client
) -> None:
    await export(east, west, "first")
    await asyncio.sleep(1.1)  # the older Link stays; Kubernetes' stamps tell seconds apart, no less
    await east.apply_dict(link("twin", "west"))

    async def refused() -> bool:
        return "mirrors cluster 'west' already" in await condition(east, "Valid", "twin")

    await until(refused, "the refusal")
    await east.delete(crds.Link, "twin", SPACE)

    async def gone() -> bool:
        return await east.get(crds.Link, "twin", SPACE) is None

    await until(gone, "the twin's end")
    assert await there(east, "first")


async def test_a_link_to_its_own_cluster_is_refused(linked: None, east: kube.Client) -> None:
    home = await east.get(Namespace, "kube-system")
    assert home and home.metadata
    await east.apply_dict(link("self", "self", {objects.TARGET_UID: home.metadata.uid or ""}))

    async def refused() -> bool:
        return "leads to its own cluster" in await condition(east, "Valid", "self")

    await until(refused, "the refusal")
    await east.delete(crds.Link, "self", SPACE)


async def test_a_link_by_hand_to_its_own_cluster_is_seen_by_what_it_reaches(
    pair: pairs.Pair, linked: None, east: kube.Client
) -> None:
    granted = objects.remote_access("access-self")
    for doc in granted:
        await east.apply_dict(doc)
    token, ca = await target.new_token(east, "access-self", 3600), east.access.ca()
    server = pair.lab.cluster("east").server
    config = objects.kubeconfig(cluster="self", server=server, ca=ca, token=token, account="access-self")
    await east.create(exported("home"))
    await east.apply_dict(objects.credentials("self", config, account="access-self"))
    await east.apply_dict(link("self", "self"))

    async def refused() -> bool:
        return "leads to its own cluster" in await condition(east, "Valid", "self")

    await until(refused, "the refusal", limit=20)
    assert await east.get(Service, "home-self", NAMESPACE) is None
    await east.delete(crds.Link, "self", SPACE)
    await east.delete(Service, "home", NAMESPACE)
    await east.delete(Secret, names.credentials("self"), SPACE)
    for doc in granted:
        await east.delete_dict(doc)


async def test_an_unreadable_edit_keeps_the_last_good_spec(linked: None, east: kube.Client, west: kube.Client) -> None:
    await export(east, west, "edited")
    await east.patch(crds.Link, "west", {"spec": {"gatewayPort": "no port"}}, SPACE)
    await until(lambda: truth(east, "Valid", "False: spec.gatewayPort"), "the refusal")
    await export(east, west, "edited-too")
    await east.patch(crds.Link, "west", {"spec": {"gatewayPort": "4144"}}, SPACE)

    async def moved() -> bool:
        pieces = [await slice_of(east, name) for name in ("edited", "edited-too")]
        return all(p is not None and [q.port for q in p.ports or ()] == [4144] for p in pieces)

    await until(moved, "the new port in every slice")


async def test_a_restart_writes_nothing(pair: pairs.Pair, east: kube.Client, west: kube.Client) -> None:
    with pair.mirror():
        await asyncio.to_thread(pair.run, "link", "east", "west", "--apply", "--wait", "0")
        await export(east, west, "restarted")
    before = await mirror_of(east, "restarted"), await slice_of(east, "restarted")
    with pair.mirror():
        await until(lambda: truth(east, "TargetReachable", "True"), "the Link is well")
        await asyncio.sleep(3)
        assert pair.numbers("service_mirror_writes_total") == 0
        assert (await mirror_of(east, "restarted"), await slice_of(east, "restarted")) == before
        await asyncio.to_thread(pair.run, "unlink", "east", "west", "--apply")


async def test_unlink_leaves_nothing(pair: pairs.Pair, linked: None, east: kube.Client, west: kube.Client) -> None:
    await export(east, west, "leaving")
    await asyncio.to_thread(pair.run, "unlink", "east", "west", "--apply")
    assert await left(east) == []
    assert [a for a in await west.list(ServiceAccount, SPACE) if "remote-access" in str(a.metadata)] == []
    assert await west.list(ClusterRole, labels={objects.SOURCE_LABEL: "east"}) == []


async def test_what_an_unlink_would_take_away_is_named_and_printed_and_is_there_no_more_afterwards(
    pair: pairs.Pair, linked: None, east: kube.Client, west: kube.Client
) -> None:
    await export(east, west, "named")
    told = (await asyncio.to_thread(pair.run, "unlink", "east", "west", "--dry-run")).stdout
    printed = manifest.read((await asyncio.to_thread(pair.run, "unlink", "east", "west")).stdout, source="unlink")
    assert printed and all(d["metadata"]["name"] in told for d in printed)
    account = objects.account_name("east")
    for line in (
        f"Link {SPACE}/west",
        f"Secret {SPACE}/{names.credentials('west')}",
        f"Service {NAMESPACE}/named-west",
        f"EndpointSlice {NAMESPACE}/named-west.ipv4",
        f"ServiceAccount {SPACE}/{account}",
        f"ClusterRole {account}",
        f"ClusterRoleBinding {account}",
        f"Role {names.CONTROL_NS}/{account}",
        f"RoleBinding {names.CONTROL_NS}/{account}",
        f"Role {SPACE}/{account}-token",
        f"RoleBinding {SPACE}/{account}-token",
    ):
        assert f"  remove {line}\n" in told, line
    await asyncio.to_thread(pair.run, "unlink", "east", "west", "--apply")
    for doc in printed:
        assert [await one.get_dict(doc) for one in (east, west)] == [None, None], doc


def renamed(pair: pairs.Pair, **names_of: str) -> pathlib.Path:
    """A kubeconfig of the pair whose contexts have other names."""
    config = yaml.safe_load((pair.folder / "kubeconfig").read_text())
    for context in config["contexts"]:
        context["name"] = names_of.get(context["name"], context["name"])
    other = pair.folder / "other.kubeconfig"
    other.write_text(yaml.safe_dump(config))
    return other


async def test_contexts_that_are_no_names_are_linked_and_parted(
    pair: pairs.Pair, east: kube.Client, west: kube.Client
) -> None:
    words = ("--kubeconfig", str(renamed(pair, east="kubernetes-admin@east", west=ARN)))
    with pair.mirror():
        linked = await asyncio.to_thread(
            pair.run, "link", "kubernetes-admin@east", ARN, "--source-name", "prod", "--apply", "--wait", "0", *words
        )
        assert "is called 'west' from here on" in linked.stderr
        assert await west.get(ServiceAccount, objects.account_name("prod"), SPACE) is not None
        await export(east, west, "by-arn")
        # The names are not repeated: the Link is found by the context's name, the account by the source's uid.
        await asyncio.to_thread(pair.run, "unlink", "kubernetes-admin@east", ARN, "--apply", *words)
    assert await left(east) == []
    assert [a for a in await west.list(ServiceAccount, SPACE) if "remote-access" in str(a.metadata)] == []


async def test_an_unlink_by_the_wrong_name_is_told_the_right_one(
    pair: pairs.Pair, east: kube.Client, west: kube.Client
) -> None:
    link = ("link", "east", "west", "--cluster-name", "prod", "--apply", "--wait", "0")
    await asyncio.to_thread(pair.run, *link)
    wrong = await asyncio.to_thread(lambda: pair.run("unlink", "east", "west", "--apply", ok=False))
    assert wrong.returncode == 1 and "--cluster-name prod" in wrong.stderr
    assert await west.get(ServiceAccount, objects.account_name("east"), SPACE) is not None
    await asyncio.to_thread(pair.run, "unlink", "east", "west", "--cluster-name", "prod", "--apply")
    assert await left(east) == []


async def test_the_parts_of_a_link_are_told_applied_and_parted(
    pair: pairs.Pair, east: kube.Client, west: kube.Client
) -> None:
    allow = ("multicluster", "allow", "--service-account-name", "access-parts", "--context", "west")
    gen = ("multicluster", "link-gen", "--cluster-name", "west", "--service-account-name", "access-parts")
    gen = (*gen, "--context", "west", "--source", "east")
    told = await asyncio.to_thread(pair.run, *allow, "--dry-run")
    assert f"create ServiceAccount {SPACE}/access-parts" in told.stdout
    assert await west.get(ServiceAccount, "access-parts", SPACE) is None

    async def allowed() -> bool:
        # Twice its new token Secret was not to be found; why is not known.
        await asyncio.to_thread(pair.run, *allow, "--apply")
        return await west.get(Secret, "access-parts-token", SPACE) is not None

    await until(allowed, "the account's token", limit=30)
    told = await asyncio.to_thread(pair.run, *gen, "--dry-run")
    assert f"create Link {SPACE}/west" in told.stdout and await left(east) == []
    await asyncio.to_thread(pair.run, *gen, "--apply")
    assert await east.get(crds.Link, "west", SPACE) is not None
    assert await east.get(Secret, names.credentials("west"), names.CONTROL_NS) is not None
    await asyncio.to_thread(pair.run, "unlink", "east", "west", "--apply")
    assert await left(east) == []
    assert await east.get(Secret, names.credentials("west"), names.CONTROL_NS) is None
    for doc in objects.remote_access("access-parts", for_linkerd=True):
        await west.delete_dict(doc)


async def test_unlink_with_the_target_dead_and_once_more_when_it_is_back(
    pair: pairs.Pair, linked: None, east: kube.Client, west: kube.Client
) -> None:
    await export(east, west, "widow")
    await asyncio.to_thread(pair.run, "lab", "stop", "west", "kube-apiserver")
    try:
        done = await asyncio.to_thread(pair.run, "unlink", "east", "west", "--apply")
        assert "does not answer" in done.stderr and await left(east) == []
    finally:
        await asyncio.to_thread(pair.run, "lab", "start", "west", "kube-apiserver")
    await until(lambda: answers(west), "west", limit=60)
    done = await asyncio.to_thread(pair.run, "unlink", "east", "west", "--apply")
    assert "objects of linkerd-service-mirror-remote-access-east removed" in done.stderr


async def answers(client: kube.Client) -> bool:
    try:
        return bool(await client.raw("GET", "/version"))
    except IsthmusError:
        return False


async def test_unlink_without_a_mirror_at_work(pair: pairs.Pair, east: kube.Client, west: kube.Client) -> None:
    with pair.mirror():
        await asyncio.to_thread(pair.run, "link", "east", "west", "--apply", "--wait", "0")
        await export(east, west, "alone")
    await asyncio.to_thread(pair.run, "unlink", "east", "west", "--apply")
    assert await left(east) == []


@pytest.mark.parametrize(
    "words, said",
    [
        pytest.param(["link", "east", "east", "--apply"], "the same cluster", id="itself"),
        pytest.param(["link", "east", "north", "--apply"], "no context 'north'", id="wrong-context"),
        pytest.param(["unlink", "east", "west", "--apply"], "has no link to 'west'", id="not-linked"),
        pytest.param(
            ["link", "east", "west", "--apply", "--gateway-name", "gw"],
            "gw of cluster 'west' does not exist",
            id="no-gateway",
        ),
    ],
)
async def test_refusals_change_nothing(
    pair: pairs.Pair, east: kube.Client, west: kube.Client, words: list[str], said: str
) -> None:
    done = await asyncio.to_thread(lambda: pair.run(*words, ok=False))
    assert done.returncode != 0 and said in done.stderr and "hint:" in done.stderr
    assert await left(east) == [] and await west.list(ClusterRole, labels={objects.SOURCE_LABEL: "east"}) == []


async def test_foreign_anchors_are_refused(pair: pairs.Pair, east: kube.Client, west: kube.Client) -> None:
    roots = await west.get(ConfigMap, "linkerd-identity-trust-roots", names.CONTROL_NS)
    assert roots
    other, _ = anchor.root(trust_domain="cluster.local", now=datetime.now(UTC))
    await west.apply_dict(pairs.config_map("linkerd-identity-trust-roots", "ca-bundle.crt", other))
    try:
        done = await asyncio.to_thread(lambda: pair.run("link", "east", "west", "--apply", ok=False))
        assert done.returncode == 1 and "share no trust anchor" in done.stderr and await left(east) == []
    finally:
        await west.apply_dict(
            pairs.config_map(
                "linkerd-identity-trust-roots", "ca-bundle.crt", cast("dict[str, str]", roots.data)["ca-bundle.crt"]
            )
        )
