"""The choices of an installation, checked once. In: `--set key=text`, stored values of an earlier installation. Out: `Values`.

One row here is one key of `--set` and of ConfigMap `linkerd-config`; keys under `proxy.` are those of `isthmus.knobs`.
Never here: certificates (see `trust`), documents (see `core`).
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import isthmus
from isthmus import knobs, names, units
from isthmus.errors import BadValue
from isthmus.inject import mesh

Read = Callable[[str, str], Any]

VERSION_KEY = "isthmusVersion"
ANCHORS_KEY = "identityTrustAnchorsPEM"
_DOMAIN = re.compile(r"^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$")
_IMAGE = re.compile(r"^[a-z0-9][A-Za-z0-9._:/@-]*$")
_NETWORK = re.compile(r"^[0-9a-fA-F.:]+/\d{1,3}$")


def _image(text: str, key: str) -> str:
    if not _IMAGE.match(text):
        raise BadValue(key, text, f"localhost/isthmus-control:{isthmus.__version__}", why="not an image name")
    return text


def _domain(text: str, key: str) -> str:
    if not _DOMAIN.match(text):
        raise BadValue(key, text, "cluster.local", why="not a DNS name")
    return text


def _networks(text: str, key: str) -> str:
    if not all(_NETWORK.match(part) for part in text.split(",")):
        raise BadValue(key, text, names.CLUSTER_NETWORKS, why="not a list of networks")
    return text


def _count(text: str, key: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise BadValue(key, text, "3", why="not a number from 1 to 100")
    return int(text)


def _duration(text: str, key: str) -> str:
    if units.duration(text, key=key, example="24h") <= 0:
        raise BadValue(key, text, "24h", why="not above zero")
    return text


def _choice(*words: str) -> Read:
    def read(text: str, key: str) -> str:
        if text not in words:
            raise BadValue(key, text, " or ".join(words))
        return text

    return read


def _flag(text: str, key: str) -> bool:
    return units.flag(text, key=key)


def _port(text: str, key: str) -> int:
    return units.port(text, key=key)


def _row(key: str, read: Read, default: str, says: str) -> Any:
    return field(default=read(default, key), metadata={"key": key, "read": read, "says": says})


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Every choice of an installation. `proxy` holds texts by the keys of `knobs`, checked."""

    control_image: str = _row(
        "controlImage", _image, f"localhost/isthmus-control:{isthmus.__version__}", "image of the control plane"
    )
    proxy_image: str = _row(
        "proxyImage", _image, f"localhost/isthmus-proxy:{isthmus.__version__}", "image of the proxy"
    )
    image_pull_policy: str = _row(
        "imagePullPolicy", _choice("IfNotPresent", "Always", "Never"), "IfNotPresent", "when nodes pull images"
    )
    control_replicas: int = _row("controlReplicas", _count, "1", "replicas of each control plane Deployment")
    control_log_level: str = _row(
        "controlLogLevel", _choice("debug", "info", "warning", "error"), "info", "log level of the control plane"
    )
    cluster_domain: str = _row("clusterDomain", _domain, names.CLUSTER_DOMAIN, "DNS domain of the cluster")
    trust_domain: str = _row("identityTrustDomain", _domain, names.CLUSTER_DOMAIN, "end of every identity")
    cluster_networks: str = _row("clusterNetworks", _networks, names.CLUSTER_NETWORKS, "addresses of pods and Services")
    firewall_mode: str = _row("firewallMode", _choice(*mesh.FIREWALL_MODES), "nft", "how a pod's traffic is redirected")
    issuance_lifetime: str = _row(
        "identityIssuanceLifetime", _duration, "24h", "how long a proxy's certificate is valid"
    )
    clock_skew: str = _row("identityClockSkewAllowance", _duration, "20s", "how much clocks may differ")
    webhook_failure_policy: str = _row(
        "webhookFailurePolicy", _choice("Ignore", "Fail"), "Ignore", "pods while the injector is away: Ignore or Fail"
    )
    multicluster: bool = _row("multicluster", _flag, "true", "install the gateway and the service mirror")
    gateway_replicas: int = _row("gatewayReplicas", _count, "1", "replicas of the gateway")
    gateway_port: int = _row("gatewayPort", _port, str(names.INBOUND_PORT), "port of the gateway's Service")
    gateway_probe_port: int = _row(
        "gatewayProbePort", _port, str(names.ADMIN_PORT), "port sources ask the gateway's health on"
    )
    gateway_service_type: str = _row(
        "gatewayServiceType",
        _choice("LoadBalancer", "NodePort", "ClusterIP"),
        "LoadBalancer",
        "type of the gateway's Service",
    )
    mirror_replicas: int = _row("mirrorReplicas", _count, "1", "replicas of the service mirror")
    tap: bool = _row(
        "tap", _flag, "true", "whether proxies may be tapped: only by the tap service of the viz extension"
    )
    proxy: Mapping[str, str] = field(default_factory=dict[str, str])


FIELDS: dict[str, dataclasses.Field[Any]] = {f.metadata["key"]: f for f in dataclasses.fields(Values) if f.metadata}
"""Key -> its field."""


def overlay(base: Values, texts: Mapping[str, str], *, where: str = "--set") -> Values:
    """`base` with the given keys.

    Raises:
        BadValue: an unknown key (the nearest known one is named) or a text its reader refuses.
    """
    proxy = {key.removeprefix("proxy."): text for key, text in texts.items() if key.startswith("proxy.")}
    changes: dict[str, Any] = {}
    for key, text in texts.items():
        if key.startswith("proxy."):
            continue
        knobs.known(key, [*FIELDS, *(f"proxy.{k}" for k in knobs.FIELDS)], where=where)
        changes[FIELDS[key].name] = FIELDS[key].metadata["read"](text.strip(), f"{key} ({where})")
    for key in proxy:
        knobs.known(f"proxy.{key}", [f"proxy.{k}" for k in knobs.FIELDS], where=where)
    knobs.overlay(knobs.Settings(), proxy, where)
    return dataclasses.replace(base, **changes, proxy={**base.proxy, **proxy})


def parse_sets(words: Iterable[str]) -> dict[str, str]:
    """`key=text` words of the command line, as a map; a comma stands for itself."""
    found: dict[str, str] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key:
            raise BadValue("--set", word, "--set controlReplicas=3", why="not key=value")
        found[key.strip()] = text
    return found


def store(values: Values, anchors: str) -> str:
    """The text of ConfigMap `linkerd-config`, key `values`: what a later upgrade, the injector and linked clusters read."""
    from isthmus.install import manifest

    rows: dict[str, Any] = {key: getattr(values, row.name) for key, row in FIELDS.items()}
    # The installed version stands under both names: Linkerd's tools look for the second.
    marks = {VERSION_KEY: isthmus.__version__, "linkerdVersion": f"isthmus-{isthmus.__version__}"}
    return manifest.write([{**marks, **rows, "proxy": dict(values.proxy), ANCHORS_KEY: anchors}]).removeprefix("---\n")


def load(text: str) -> Values:
    """What `store` wrote, by this version or an earlier one: keys that are gone are dropped, new ones take their defaults."""
    found = mesh.stored(text)
    then = str(found.get(VERSION_KEY, ""))
    texts = {
        key: _print(found[key])
        for key, row in FIELDS.items()
        if key in found and not _was_default(row, found[key], then)
    }
    proxy = cast("Mapping[str, object]", found.get("proxy") or {})
    texts |= {f"proxy.{key}": str(text) for key, text in proxy.items() if key in knobs.FIELDS}
    return overlay(Values(), texts, where="ConfigMap linkerd-config")


def version_of(text: str) -> str:
    """The version stored values belong to, or a word for another mesh's."""
    found = mesh.stored(text)
    return str(found.get(VERSION_KEY) or f"not ours ({found.get('linkerdVersion', 'unknown')})")


def _was_default(row: dataclasses.Field[Any], stored: object, then: str) -> bool:
    """Whether the stored text is the default of the version that stored it: a default moves on with the version."""
    return stored == str(row.default).replace(isthmus.__version__, then)


def _print(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
