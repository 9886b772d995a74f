"""What all proxies of one control plane share. In: the values and trust anchors the control plane stores. Out: a `Mesh`.

Never here: one pod's settings (see `decide`), I/O. `from_values` reads what `isthmus.install` wrote into ConfigMap `linkerd-config`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from isthmus import knobs, names
from isthmus.errors import BadValue

FIREWALL_MODES = ("auto", "nft", "iptables-nft", "iptables", "iptables-legacy")


@dataclass(frozen=True, slots=True)
class Mesh:
    """A control plane as a new proxy must know it. `anchors` is PEM; `tag` the version of images and proxies."""

    anchors: str
    tag: str
    control_ns: str = names.CONTROL_NS
    trust_domain: str = names.CLUSTER_DOMAIN
    cluster_domain: str = names.CLUSTER_DOMAIN
    cluster_networks: str = names.CLUSTER_NETWORKS
    firewall_mode: str = "auto"
    tap: bool = True
    defaults: knobs.Settings = field(default_factory=knobs.Settings)

    @property
    def tap_identity(self) -> str:
        """Who alone may tap proxies: the viz extension's tap service, installed or not."""
        return names.identity("tap", names.VIZ_NS, self.control_ns, self.trust_domain)

    @property
    def anchors_digest(self) -> str:
        """What a pod's annotation `linkerd.io/trust-root-sha256` says."""
        return hashlib.sha256(self.anchors.encode()).hexdigest()

    def identity(self, account: str) -> str:
        """The identity of a control plane ServiceAccount."""
        return names.identity(account, self.control_ns, self.control_ns, self.trust_domain)


def split_image(image: str) -> tuple[str, str]:
    """`registry:5000/name:tag` as (`registry:5000/name`, `tag`); the tag may be empty."""
    head, colon, tag = image.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (image, "")


def stored(text: str) -> dict[str, Any]:
    """The values of ConfigMap `linkerd-config` as a map, whoever wrote them; empty where they cannot be read."""
    try:
        found: Any = yaml.safe_load(text or "{}")
    except yaml.YAMLError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def from_values(values: Mapping[str, Any], anchors: str, *, control_ns: str) -> Mesh:
    """The Mesh that stored `values` describe.

    Raises:
        BadValue: a value the injector cannot use; its key is given as `<key> in ConfigMap linkerd-config`.
    """
    where = "(ConfigMap linkerd-config)"
    image, tag = split_image(str(values.get("proxyImage", "")))
    proxy = cast("Mapping[str, object]", values.get("proxy") or {})
    texts = {key: str(value) for key, value in proxy.items()}
    base = knobs.Settings(image_pull_policy=str(values.get("imagePullPolicy", "IfNotPresent")))
    mode = str(values.get("firewallMode", "auto"))
    if mode not in FIREWALL_MODES:
        raise BadValue(f"firewallMode {where}", mode, '"nft"')
    if image:
        texts = {"proxy-image": image, **texts}
    return Mesh(
        anchors=anchors.strip() + "\n",
        tag=tag or str(values.get("isthmusVersion", "")),
        control_ns=control_ns,
        trust_domain=str(values.get("identityTrustDomain") or names.CLUSTER_DOMAIN),
        cluster_domain=str(values.get("clusterDomain") or names.CLUSTER_DOMAIN),
        cluster_networks=str(values.get("clusterNetworks") or names.CLUSTER_NETWORKS),
        firewall_mode=mode,
        tap=values.get("tap") is not False,
        defaults=knobs.overlay(base, texts, where),
    )
