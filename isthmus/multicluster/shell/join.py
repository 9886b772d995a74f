"""Carry out a link and an unlink. In: two clusters as a person's kubeconfig reaches them, choices. Out: changed clusters, words on the way.

`prepare` asks and refuses but changes nothing; only what it returned can be carried out. Never here: how documents look (see `objects`).
Limits: WAIT seconds for the controller to clear a Link; after that this program clears it by itself.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import prometheus_client
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Secret, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import logs, names
from isthmus.errors import BadValue, IsthmusError, Unreachable
from isthmus.kube import access, crds, store
from isthmus.kube import client as kube
from isthmus.multicluster import link, objects, spec, world
from isthmus.multicluster.shell import meters, mirror, parting, shared

WAIT = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """One cluster as this machine reaches it."""

    name: str
    access: access.Access
    client: kube.Client


@dataclass(frozen=True, slots=True)
class Ready:
    """A link that has passed every check. `has_account`: the target knows this source already."""

    source: link.Survey
    target: link.Survey
    gateway: link.Gateway
    server: str
    ca: bytes
    has_account: bool
    choices: link.Choices

    @property
    def account(self) -> str:
        return objects.account_name(self.choices.source)


async def prepare(source: Side, target: Side, choices: link.Choices) -> Ready:
    """Asks both clusters all there is to ask, and refuses what could not work.

    Raises:
        IsthmusError: the first reason, with what to do. Unreachable: a cluster does not answer; it is named.
    """
    here, there = await asyncio.gather(_survey(source, choices), _survey(target, choices))
    link.checks(here, there, choices, await link.existing_link(source.client, choices))
    known = await link.check_account(target.client, here, choices)
    gateway = await link.gateway(target.client, there, choices)
    server, ca = await link.api_server(target.client, there, choices)
    return Ready(here, there, gateway, server, ca, known, choices)


async def _survey(side: Side, choices: link.Choices) -> link.Survey:
    try:
        return await link.survey(side.name, side.client, side.access, choices.control_ns, choices.namespace)
    except (Unreachable, TimeoutError, OSError) as error:
        words = str(error).splitlines()[0] if str(error) else "no answer"
        raise Unreachable(
            f"cluster {side.name!r} does not answer at {side.access.server}: {words}",
            hint=f"try `kubectl --context {side.name} version`; is the cluster up, and is its address in the kubeconfig right?",
        ) from error


def source_part(ready: Ready, token: str) -> list[link.Doc]:
    """What goes into the source, in order."""
    return link.source_documents(
        ready.target, ready.gateway, ready.choices, ready.account, ready.server, ready.ca, token
    )


async def join(ready: Ready, source: Side, target: Side, say: Say) -> None:
    """Carries out what `prepare` found well: rights in the target, then credentials and the Link in the source."""
    await link.apply(target.client, link.target_documents(ready.source, ready.choices))
    say(f"{target.name}: {ready.account} may read Services and EndpointSlices")
    token = await link.issue_token(target.client, ready.account, ready.choices)
    await link.apply(source.client, source_part(ready, token))
    say(
        f"{source.name}: Link {ready.choices.cluster} to {', '.join(ready.gateway.addresses)}:{ready.gateway.port}, API {ready.server}"
    )


async def wait_linked(source: Side, choices: link.Choices, seconds: float) -> dict[str, str]:
    """The Link's conditions once target and gateway answer, or as they are after `seconds`: type -> status and message."""
    words: dict[str, str] = {}
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = await source.client.get(crds.Link, choices.cluster, choices.namespace)
                listed: list[dict[str, Any]] = ((found.status or {}) if found else {}).get("conditions") or []
                words = {
                    str(c.get("type")): f"{c.get('status')}: {c.get('message') or c.get('reason')}" for c in listed
                }
                if all(words.get(kind, "").startswith("True") for kind in ("Valid", "TargetReachable", "GatewayAlive")):
                    return words
                await asyncio.sleep(0.2)
    except TimeoutError:
        return words


async def part(source: Side, choices: link.Choices, say: Say) -> bool:
    """Removes a link's part in the source: mirrors, probe, Link, Secret, Lease. False when there was nothing.

    The controller clears a Link that is deleted; where none does within WAIT seconds, it is done from here.
    """
    client, key = source.client, names.Key(choices.namespace, choices.cluster)
    found = await client.get(crds.Link, key.name, key.namespace)
    if found is not None:
        await client.delete(crds.Link, key.name, key.namespace)
        say(f"{source.name}: Link {key.name} is being cleared")
        await _wait_gone(client, key)
    cluster = str((found.spec or {}).get("targetClusterName") or key.name) if found else key.name
    left = await clear_from_here(client, names.Key(key.namespace, key.name), cluster)
    if left:
        say(f"{source.name}: {left} objects removed from here, no controller did")
    await let_go(client, key)
    gone = await client.delete(Secret, names.credentials(cluster), choices.namespace)
    await client.delete(Lease, parting.lease(key.name), choices.namespace)
    copy = await client.get(Secret, names.credentials(cluster), choices.control_ns)
    if copy is not None:
        await client.delete(Secret, names.credentials(cluster), choices.control_ns)
    return found is not None or gone or bool(left)


async def _wait_gone(client: kube.Client, key: names.Key) -> None:
    for _ in range(round(WAIT / 0.2)):
        if await client.get(crds.Link, key.name, key.namespace) is None:
            return
        await asyncio.sleep(0.2)


async def clear_from_here(client: kube.Client, key: names.Key, cluster: str) -> int:
    """Removes what a Link has made, as the controller would; how many objects there were."""
    try:
        made = spec.parse(key.name, key.namespace, "", {"targetClusterName": cluster})
    except BadValue:
        return 0
    mine = {names.CLUSTER_NAME: cluster}
    services, slices = await asyncio.gather(client.list(Service, labels=mine), client.list(EndpointSlice, labels=mine))
    source = world.Source()
    for each in services:
        source.put_service(world.local(each))
    for piece in filter(None, map(world.mirror_slice, slices)):
        source.put_slice(piece)
    count = len(source.services) + len(source.slices)
    nothing: store.Store[Secret] = store.Store("Secret")
    numbers = meters.Meters(prometheus_client.CollectorRegistry())
    await mirror.clear(made, shared.Shared(client, source, nothing, numbers, logs.get(), random.SystemRandom()))
    return count


async def let_go(client: kube.Client, key: names.Key) -> None:
    """Takes our finalizer off a Link that is still there, since all it stood for is done."""
    found = await client.get(crds.Link, key.name, key.namespace)
    if found is None or found.metadata is None or found.metadata.deletionTimestamp is None:
        return
    kept = [f for f in found.metadata.finalizers or () if f != names.LINK_FINALIZER]
    await client.patch(crds.Link, key.name, {"metadata": {"finalizers": kept}}, key.namespace, type="merge")


async def generate(
    target: Side, choices: link.Choices, account: str, more: link.Doc, *, with_gateway: bool
) -> list[link.Doc]:
    """What a source needs to link to `target`, for any controller that reads Linkerd's Links: both Secrets, then the Link.

    Raises:
        IsthmusError: the account is missing, or the target has no gateway to link to.
    """
    there = await _survey(target, choices)
    to = (
        await link.gateway(target.client, there, choices)
        if with_gateway
        else link.Gateway((), names.INBOUND_PORT, "", {})
    )
    server, ca = await link.api_server(target.client, there, choices)
    token = await link.held_token(target.client, account, choices)
    if token is None:
        raise IsthmusError(
            f"cluster {target.name!r} holds no token for ServiceAccount {choices.namespace}/{account}",
            hint=f"isthmus multicluster allow --service-account-name {account} --context {target.name} --apply",
        )
    secret, made = link.source_documents(there, to, choices, account, server, ca, token, more=more)
    # A token Secret does not end, so nobody need renew it; and Linkerd's destination controller reads a copy beside it.
    secret["metadata"]["annotations"].pop(objects.ACCOUNT)
    copy = {**secret, "metadata": {**secret["metadata"], "namespace": choices.control_ns}}
    return [secret, copy, made]


async def known_links(client: kube.Client, namespace: str) -> Sequence[str]:
    """Names of the Links of a cluster; none where the kind is not installed."""
    try:
        found = await client.list(crds.Link, namespace)
    except IsthmusError:
        return ()
    return sorted(one.metadata.name or "" for one in found if one.metadata)
