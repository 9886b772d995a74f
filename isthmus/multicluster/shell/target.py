"""One connection to a target cluster. In: the kubeconfig of a Link's credentials, its selector. Out: a `world.Target` kept in step.

A session proves itself (the token works, both lists came in whole) before anything reads it; until then its predecessor serves on.
Only exported Services and their EndpointSlices are watched: Kubernetes copies a Service's labels to the slices it makes.
Never here: decisions, writes to the source.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from lightkube.resources.core_v1 import Namespace, Secret, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names
from isthmus.errors import BadValue, IsthmusError, Unreachable
from isthmus.kube import access, store, watch
from isthmus.kube import client as kube
from isthmus.multicluster import objects, spec, world

CHECK_TIMEOUT = 5.0
"""Seconds a target has to answer a small question; half-open connections are found by it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a credentials Secret holds: the kubeconfig, and the account in the target whose token it carries (None: we may not renew it)."""

    config: str
    account: str | None


def credentials(secret: Secret | None, key: names.Key) -> Credentials:
    """Reads a credentials Secret.

    Raises:
        BadValue: it is missing, or has no readable `kubeconfig`.
    """
    where = f"data.kubeconfig of Secret {key}"
    if secret is None:
        raise BadValue(where, None, "a kubeconfig; `isthmus link` writes it", why="the Secret does not exist")
    data = cast(Mapping[str, str], secret.data or {})
    try:
        config = base64.b64decode(data.get("kubeconfig", ""), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        config = ""
    if not config:
        raise BadValue(where, data.get("kubeconfig"), "a kubeconfig; `isthmus link` writes it", why="not readable")
    notes = cast(Mapping[str, str], (secret.metadata.annotations if secret.metadata else None) or {})
    return Credentials(config, notes.get(objects.ACCOUNT))


class SameCluster(IsthmusError):
    """A Link's credentials lead back to the cluster the Link is in."""

    def __init__(self, key: names.Key) -> None:
        super().__init__(f"Link {key} leads to its own cluster", hint="delete it; a cluster is not linked to itself")


def _nobody(_keys: frozenset[names.Key]) -> None:
    """Who listens before anybody does."""


class Session:
    """Watches one target until cancelled. `target` may be read once `wait_ready` has returned."""

    def __init__(self, link: spec.Link, held: Credentials) -> None:
        self.held = held
        self._key = link.key
        self.selector = link.selector
        self.target = world.Target(link.cluster)
        self.client = kube.Client(access.parse(held.config, source=f"Secret {link.namespace}/{link.credentials}"))
        self._services: store.Store[Service] = store.Store("Service")
        self._slices: store.Store[EndpointSlice] = store.Store("EndpointSlice")
        self._tell: Callable[[frozenset[names.Key]], None] = _nobody
        # The API takes an empty selector for everything; ours means nothing, so it asks for a contradiction.
        selector = link.selector.text() or f"{names.EXPORTED},!{names.EXPORTED}"
        self._reflectors = (
            watch.Reflector(self.client, Service, self._services, labels=selector),
            watch.Reflector(self.client, EndpointSlice, self._slices, labels=selector),
        )
        self._services.subscribe(self._on_services)
        self._slices.subscribe(self._on_slices)

    async def check(self) -> None:
        """Asks the target one thing that needs the token's rights, so that a bad credential fails here and not in a watch.

        Raises:
            ApiError: the target refuses. Unreachable: it does not answer in CHECK_TIMEOUT.
        """
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await self.client.raw("GET", "/api/v1/services?limit=1")
        except TimeoutError:
            server = self.client.access.server
            raise Unreachable(f"the target's API server {server} did not answer in {CHECK_TIMEOUT:g} s") from None

    async def prove(self, home: str) -> None:
        """As `check`, before anything is read: it must not lead to the cluster whose kube-system namespace has the uid `home`.

        A Link written by hand has no annotation that tells this. Credentials that may not see the uid tell nothing.

        Raises:
            SameCluster: it does. ApiError, Unreachable: as `check`.
        """
        await self.check()
        try:
            found = await self.client.get(Namespace, "kube-system")
        except kube.ApiError:
            return
        if home and found is not None and found.metadata and found.metadata.uid == home:
            raise SameCluster(self._key)

    async def run(self) -> None:
        """Keeps `target` in step; never returns."""
        async with asyncio.TaskGroup() as group:
            for reflector in self._reflectors:
                group.create_task(reflector.run())

    async def wait_ready(self) -> None:
        """Returns once both lists have come in whole."""
        await self._services.wait_synced()
        await self._slices.wait_synced()
        self.target.synced = True

    def listen(self, tell: Callable[[frozenset[names.Key]], None]) -> None:
        """`tell` hears the keys of the remote Services that changed, from now on."""
        self._tell = tell

    def age(self) -> float:
        """Seconds since the target was last heard of, by the watch that is longest silent."""
        return max(reflector.age() for reflector in self._reflectors)

    async def close(self) -> None:
        self.listen(_nobody)
        await self.client.close()

    def _on_services(self, changed: frozenset[names.Key]) -> None:
        touched = set(changed)
        for key in changed:
            claim = self.target.claim(key)
            touched |= self.target.claims(claim)
            found = self._services.get(key)
            if found is None:
                self.target.drop_service(key)
            else:
                self.target.put_service(found)
            # A rival that comes or goes changes what may be said of the others.
            touched |= self.target.claims(claim)
        self._tell(frozenset(touched))

    def _on_slices(self, changed: frozenset[names.Key]) -> None:
        touched: set[names.Key] = set()
        for key in changed:
            found = self._slices.get(key)
            owner = self.target.drop_slice(key) if found is None else self.target.put_slice(found)
            if owner is not None:
                touched.add(owner)
        self._tell(frozenset(touched))


@dataclass(frozen=True, slots=True)
class Lifetime:
    """When a token was issued and when it ends, in Unix seconds."""

    issued: float
    expires: float

    def due(self) -> float:
        """When to renew: after a third of its life, so that two thirds are left to outlast an outage of the target."""
        return self.issued + (self.expires - self.issued) / 3


def lifetime(config: str) -> Lifetime | None:
    """Of the bearer token in a kubeconfig; None where it never ends, or is not a JWT. Nothing is verified: it is our own token."""
    try:
        users: Any = json.loads(config)["users"]
        claims: Any = json.loads(_segment(users[0]["user"]["token"].split(".")[1]))
        return Lifetime(float(claims["iat"]), float(claims["exp"]))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None


def _segment(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def with_token(config: str, token: str) -> str:
    """The kubeconfig with another token; it must be one that `objects.kubeconfig` made."""
    document: Any = json.loads(config)
    document["users"][0]["user"]["token"] = token
    return json.dumps(document, indent=1)


async def new_token(client: kube.Client, account: str, seconds: int, namespace: str = names.MULTICLUSTER_NS) -> str:
    """Asks the cluster behind `client` for a token of `account` that ends by itself.

    Raises:
        ApiError: it may not. Unreachable: no answer.
    """
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    answer = await client.raw("POST", path, body)
    return str(answer["status"]["token"])


def decode(text: str) -> str:
    """The text behind a value of a Secret.

    Raises:
        BadValue: it is not base64 of UTF-8.
    """
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadValue("a value of a Secret", text[:20], "base64 of UTF-8 text") from error
