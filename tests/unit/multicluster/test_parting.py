"""Whose an account in a target is, and what an unlink finds; against an API server of a few rules."""

import pytest

from isthmus import names
from isthmus.multicluster import link, objects
from isthmus.multicluster.shell import parting
from tests.unit.install import server

OURS = "linkerd-service-mirror-remote-access-east"
CHOICES = link.Choices("west", "east")


@pytest.mark.parametrize(
    ("theirs", "uid", "expected"),
    [
        pytest.param({OURS: "u"}, "u", [OURS], id="name-and-uid"),
        pytest.param({"access-prod": "u"}, "u", [OURS, "access-prod"], id="another-name"),
        pytest.param({OURS: ""}, "u", [OURS], id="without-a-uid"),
        pytest.param({OURS: "other"}, "u", [], id="another-source-of-the-name"),
        pytest.param({OURS: "other", "access-prod": "u"}, "u", ["access-prod"], id="both"),
        pytest.param({}, "u", [OURS], id="rights-without-their-account"),
        pytest.param({OURS: "other"}, "", [OURS], id="source-without-a-uid"),
    ],
)
def test_whose_an_account_is(theirs: dict[str, str], uid: str, expected: list[str]) -> None:
    assert parting.accounts(theirs, OURS, uid) == sorted(expected)


async def granted(source: str, uid: str) -> server.Server:
    fake = server.Server()
    async with fake.client() as client:
        for doc in objects.remote_access(objects.account_name(source), source=source, source_uid=uid):
            await client.apply_dict(doc)
    return fake


async def test_everything_a_target_grants_is_found_by_the_sources_uid_and_removed() -> None:
    fake = await granted("old-name", "u")
    async with fake.client() as client:
        found = await parting.in_target(client, CHOICES, "u")
        assert {(d["kind"], d["metadata"].get("namespace", "")) for d in found} == {
            ("ServiceAccount", names.MULTICLUSTER_NS),
            ("ClusterRole", ""),
            ("ClusterRoleBinding", ""),
            ("Role", names.CONTROL_NS),
            ("RoleBinding", names.CONTROL_NS),
            ("Role", names.MULTICLUSTER_NS),
            ("RoleBinding", names.MULTICLUSTER_NS),
        }
        assert await parting.remove(client, found) == len(found)
    assert fake.objects == {}


async def test_another_sources_account_stays() -> None:
    fake = await granted("east", "other")
    async with fake.client() as client:
        assert await parting.in_target(client, CHOICES, "u") == []


async def test_a_source_has_the_link_and_both_secrets() -> None:
    fake = server.Server()
    async with fake.client() as client:
        await client.apply_dict(objects.credentials("west", "{}", account=OURS))
        await client.apply_dict(objects.credentials("west", "{}", account=OURS, namespace=names.CONTROL_NS))
        probe = {"path": "/ready", "port": "4191", "period": "3s", "timeout": "5s", "failureThreshold": "3"}
        made = objects.link(
            "west", gateway=["192.0.2.7"], gateway_port=4143, gateway_identity="gw", probe=probe, target_uid="w"
        )
        await client.apply_dict(made)
        found = await parting.in_source(client, CHOICES)
        assert await parting.leading_to(client, "w", names.MULTICLUSTER_NS) == ["west"]
        assert await parting.leading_to(client, "x", names.MULTICLUSTER_NS) == []
    assert [(d["kind"], d["metadata"]["namespace"]) for d in found] == [
        ("Link", names.MULTICLUSTER_NS),
        ("Secret", names.MULTICLUSTER_NS),
        ("Secret", names.CONTROL_NS),
    ]
    assert all(set(d) == {"apiVersion", "kind", "metadata"} for d in found)
