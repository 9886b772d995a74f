"""What a cluster has of ours, and of others. In: a client. Out: one `State`. Reads only; never changes anything.

A control plane is ours when its `linkerd-config` says so (see `values.VERSION_KEY`); any other is left alone, and its cluster refused.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from lightkube.resources.admissionregistration_v1 import MutatingWebhookConfiguration
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.core_v1 import ConfigMap, Secret

from isthmus import names, workload
from isthmus.errors import IsthmusError
from isthmus.inject import mesh as meshes
from isthmus.install import core
from isthmus.install import trust as certificates
from isthmus.install import values as choices
from isthmus.kube import client as kube

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class State:
    """`values` and certificates are None where nothing of ours is installed. `present`: definitions of other projects."""

    values: choices.Values | None = None
    version: str = ""
    trust: certificates.Trust | None = None
    webhook: certificates.Webhook | None = None
    present: frozenset[str] = frozenset()


async def read(client: kube.Client, control_ns: str) -> State:
    """What is installed.

    Raises:
        IsthmusError: the cluster runs a control plane that is not ours.
    """
    config = await client.get(ConfigMap, core.CONFIG, control_ns)
    stored = data_of(config).get("values", "")
    if config is not None and choices.VERSION_KEY not in meshes.stored(stored):
        raise foreign(
            f"ConfigMap {control_ns}/{core.CONFIG} belongs to version {meshes.stored(stored).get('linkerdVersion', 'unknown')}"
        )
    hook = await client.get(MutatingWebhookConfiguration, core.WEBHOOK)
    if hook is not None:
        _check_hook(hook, control_ns)
    present = await _foreign_definitions(client)
    if config is None:
        return State(present=present)
    return State(
        values=choices.load(stored),
        version=choices.version_of(stored),
        trust=await _trust(client, control_ns),
        webhook=await _webhook(client, control_ns, hook),
        present=present,
    )


def foreign(evidence: str) -> IsthmusError:
    """The refusal of a cluster that another mesh holds."""
    return IsthmusError(
        f"this cluster already runs a Linkerd control plane that is not Isthmus's: {evidence}",
        hint="use another cluster, or remove it first with its own program: linkerd uninstall | kubectl delete -f -",
    )


def _check_hook(hook: MutatingWebhookConfiguration, control_ns: str) -> None:
    labels = workload.labels_of(hook.metadata)
    if labels.get(names.PART_OF_LABEL) != names.PART_OF:
        raise foreign(f"MutatingWebhookConfiguration {core.WEBHOOK} has no label {names.PART_OF_LABEL}={names.PART_OF}")
    elsewhere = labels.get(names.CONTROL_PLANE_NS_LABEL, control_ns)
    if elsewhere != control_ns:
        raise IsthmusError(
            f"Isthmus is installed in namespace {elsewhere!r} of this cluster",
            hint=f"give --linkerd-namespace {elsewhere}",
        )


async def _foreign_definitions(client: kube.Client) -> frozenset[str]:
    """Which definitions we would bring are there already, as another project's."""
    present: set[str] = set()
    for one in core.definitions():
        name = one["metadata"]["name"]
        if one["spec"]["group"] not in core.BORROWED_GROUPS:
            continue
        found = await client.get(CustomResourceDefinition, name)
        labels = workload.labels_of(found.metadata if found is not None else None)
        if found is not None and labels.get(names.PART_OF_LABEL) != names.PART_OF:
            present.add(name)
    return frozenset(present)


async def _trust(client: kube.Client, control_ns: str) -> certificates.Trust | None:
    secret = await client.get(Secret, core.ISSUER, control_ns)
    roots = await client.get(ConfigMap, core.ROOTS, control_ns)
    if secret is None or roots is None:
        return None
    data = data_of(secret)
    certificate, key = text(data, "crt.pem") or text(data, "tls.crt"), text(data, "key.pem") or text(data, "tls.key")
    anchors = data_of(roots).get("ca-bundle.crt", "")
    return (
        certificates.Trust(anchors, certificate, key, origin="the cluster's own")
        if anchors and certificate and key
        else None
    )


async def _webhook(
    client: kube.Client, control_ns: str, hook: MutatingWebhookConfiguration | None
) -> certificates.Webhook | None:
    secret = await client.get(Secret, core.WEBHOOK_SECRET, control_ns)
    if secret is None or hook is None or not hook.webhooks:
        return None
    data = data_of(secret)
    bundle = hook.webhooks[0].clientConfig.caBundle
    authority = text({"ca": bundle or ""}, "ca")
    certificate, key = text(data, "tls.crt"), text(data, "tls.key")
    return certificates.Webhook(authority, certificate, key) if authority and certificate and key else None


def data_of(holder: ConfigMap | Secret | None) -> Mapping[str, str]:
    """The data of a ConfigMap or Secret; none where there is no such object."""
    return cast("Mapping[str, str]", (holder.data if holder is not None else None) or {})


def text(data: Mapping[str, str], key: str) -> str:
    """One value of a Secret as text; empty where it is missing or no text."""
    try:
        return base64.b64decode(data.get(key, "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
