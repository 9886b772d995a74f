"""What checks judge, gathered in one look. In: a client. Out: `Facts`, the same whatever went wrong on the way.

A cluster that does not answer is a fact too. Never here: verdicts (see `core`, `multicluster`), changes, waiting.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Namespace, Pod, Secret, Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names
from isthmus.check import measured
from isthmus.errors import IsthmusError
from isthmus.inject import mesh, shape
from isthmus.install import core, state
from isthmus.kube import access, crds
from isthmus.kube import client as kube

Doc = dict[str, Any]
T = TypeVar("T")

TARGET_SECONDS = 4.0
"""How long a linked cluster may take to answer a check."""
PRE_RIGHTS = (
    ("", "namespaces"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("rbac.authorization.k8s.io", "clusterrolebindings"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("apps", "deployments"),
    ("", "services"),
    ("", "secrets"),
    ("", "configmaps"),
    ("", "serviceaccounts"),
)
"""(group, resource) that `install --apply` creates."""


@dataclass(frozen=True, slots=True)
class Target:
    """A linked cluster as this machine, or its credentials, see it. `error` says why it could not be looked at."""

    error: str = ""
    anchors: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at one cluster. `error` is why it could not be looked at; then nothing else is filled in.

    `versions` are those at which each definition is served, whoever's it is. `viz` is None where that extension is not installed.
    """

    context: str
    now: dt.datetime
    control_ns: str = names.CONTROL_NS
    error: str = ""
    version: str = ""
    values: Mapping[str, Any] | None = None
    foreign: str = ""
    definitions: frozenset[str] = frozenset()
    versions: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    anchors: str = ""
    issuer: str = ""
    issuer_key: str = ""
    hook: MutatingWebhookConfiguration | None = None
    hook_certificate: str = ""
    spaces: frozenset[str] = frozenset()
    deployments: Mapping[names.Key, Deployment] = field(default_factory=dict[names.Key, Deployment])
    own_pods: Sequence[Pod] = ()
    meshed_pods: Sequence[Pod] = ()
    gateway: Service | None = None
    links: Sequence[Any] = ()
    credentials: Mapping[str, str] = field(default_factory=dict[str, str])
    targets: Mapping[str, Target] = field(default_factory=dict[str, Target])
    mirrors: Sequence[Service] = ()
    slices: Sequence[EndpointSlice] = ()
    refused: frozenset[str] = frozenset()
    viz: measured.Viz | None = None


async def gather(
    client: kube.Client,
    control_ns: str,
    *,
    now: dt.datetime,
    pre: bool = False,
    proxy: bool = False,
    kubeconfig: str | None = None,
) -> Facts:
    """One look. With `pre` only what an installation needs is looked at; with `proxy` every meshed pod too."""
    context = client.access.context
    try:
        version = str((await client.raw("GET", "/version")).get("gitVersion", ""))
        if pre:
            return await _before(client, control_ns, now, version)
        return await _whole(client, control_ns, now, version, kubeconfig, proxy=proxy)
    except IsthmusError as failed:
        return Facts(context, now, control_ns, error=failed.sentence)


async def _before(client: kube.Client, control_ns: str, now: dt.datetime, version: str) -> Facts:
    foreign = ""
    try:
        await state.read(client, control_ns)
    except kube.ApiError:
        raise
    except IsthmusError as refused:
        foreign = refused.sentence
    answers = await asyncio.gather(*(_may(client, group, resource) for group, resource in PRE_RIGHTS))
    return Facts(
        client.access.context,
        now,
        control_ns,
        version=version,
        foreign=foreign,
        refused=frozenset(
            f"{resource}{'.' + group if group else ''}"
            for (group, resource), may in zip(PRE_RIGHTS, answers, strict=True)
            if not may
        ),
    )


async def _may(client: kube.Client, group: str, resource: str) -> bool:
    asked = {"spec": {"resourceAttributes": {"group": group, "resource": resource, "verb": "create"}}}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", **asked}
    said = await client.raw("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(shape.part(said, "status").get("allowed"))


async def _whole(
    client: kube.Client, control_ns: str, now: dt.datetime, version: str, kubeconfig: str | None, *, proxy: bool
) -> Facts:
    # One gather per shape of answer keeps the types of each.
    config, roots = await asyncio.gather(
        client.get(ConfigMap, core.CONFIG, control_ns), client.get(ConfigMap, core.ROOTS, control_ns)
    )
    issuer, tls = await asyncio.gather(
        client.get(Secret, core.ISSUER, control_ns), client.get(Secret, core.WEBHOOK_SECRET, control_ns)
    )
    hook, gateway, listed = await asyncio.gather(
        client.get(MutatingWebhookConfiguration, core.WEBHOOK),
        client.get(Service, "linkerd-gateway", names.MULTICLUSTER_NS),
        client.raw("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"),
    )
    spaces = await client.list(Namespace)
    ours = (control_ns, names.MULTICLUSTER_NS, names.VIZ_NS)
    viz = await measured.gather(client, now) if names.VIZ_NS in {_name(one) for one in spaces} else None
    deployments = [one for space in ours for one in await client.list(Deployment, space)]
    own = [one for space in ours for one in await client.list(Pod, space)]
    meshed = await client.list(Pod, None, {names.CONTROL_PLANE_NS_LABEL: control_ns}) if proxy else []
    mirrors, slices = await asyncio.gather(
        client.list(Service, None, {names.MIRRORED_SERVICE: "true"}),
        client.list(EndpointSlice, None, {"endpointslice.kubernetes.io/managed-by": names.MANAGED_BY_SLICE}),
    )
    links = await _optional(lambda: client.list(crds.Link, None))
    secrets = await client.list(Secret, names.MULTICLUSTER_NS) if links else []
    credentials = {
        _name(one): state.text(state.data_of(one), "kubeconfig")
        for one in secrets
        if one.type == names.CREDENTIALS_TYPE
    }
    targets = await asyncio.gather(*(_target(link, credentials, control_ns, kubeconfig) for link in links))
    secret = state.data_of(issuer)
    return Facts(
        context=client.access.context,
        now=now,
        control_ns=control_ns,
        version=version,
        values=mesh.stored(state.data_of(config).get("values", "")) if config is not None else None,
        definitions=frozenset(item["metadata"]["name"] for item in shape.rows(listed, "items") if _established(item)),
        versions={item["metadata"]["name"]: _served(item) for item in shape.rows(listed, "items")},
        anchors=state.data_of(roots).get("ca-bundle.crt", ""),
        issuer=state.text(secret, "crt.pem") or state.text(secret, "tls.crt"),
        issuer_key=state.text(secret, "key.pem") or state.text(secret, "tls.key"),
        hook=hook,
        hook_certificate=state.text(state.data_of(tls), "tls.crt"),
        spaces=frozenset(_name(one) for one in spaces),
        deployments={_key(one): one for one in deployments},
        own_pods=own,
        meshed_pods=meshed,
        gateway=gateway,
        links=links,
        credentials=credentials,
        targets={_name(link): target for link, target in zip(links, targets, strict=True)},
        mirrors=mirrors,
        slices=slices,
        viz=viz,
    )


async def _optional(ask: Callable[[], Awaitable[list[T]]]) -> list[T]:
    """A list of a kind the cluster may not know."""
    try:
        return await ask()
    except kube.ApiError as refused:
        if refused.status == 404:
            return []
        raise


async def _target(link: Any, credentials: Mapping[str, str], control_ns: str, kubeconfig: str | None) -> Target:
    """The linked cluster's anchors: by the link's own credentials, else by the kubeconfig context of its name.

    Its API server may be in reach of the source and not of this machine, which is no fault of the link.
    """
    secret = str(link.spec.get("clusterCredentialsSecret") or names.credentials(_name(link)))
    space = str(link.spec.get("targetClusterLinkerdNamespace") or control_ns)
    if secret not in credentials:
        return Target(error=f"Secret {names.MULTICLUSTER_NS}/{secret} is missing")
    found = Target(error="not asked")
    for source in (
        lambda: access.parse(credentials[secret], source=f"Secret {secret}"),
        lambda: access.load(str(link.spec.get("targetClusterName")), kubeconfig),
    ):
        try:
            async with kube.Client(source(), timeout=TARGET_SECONDS) as client:
                roots = await client.get(ConfigMap, core.ROOTS, space)
        except IsthmusError as failed:
            found = found if found.error != "not asked" else Target(error=failed.sentence)
            continue
        return Target(anchors=state.data_of(roots).get("ca-bundle.crt", ""))
    return found


def _established(definition: Doc) -> bool:
    conditions = shape.rows(definition, "status", "conditions")
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


def _served(definition: Doc) -> frozenset[str]:
    return frozenset(str(v["name"]) for v in shape.rows(definition, "spec", "versions") if v.get("served"))


def _name(obj: Any) -> str:
    return (obj.metadata.name if obj.metadata else None) or ""


def _key(obj: Any) -> names.Key:
    return names.Key((obj.metadata.namespace if obj.metadata else None) or "", _name(obj))
