"""Every setting of a proxy that a person may choose, each declared once. In: text under a key. Out: typed `Settings`.

One row here is the annotation `config.linkerd.io/<key>`, the value `proxy.<key>` of `isthmus install --set`, its default, its type
and its sentence in the documentation; a field's key is its name with `-` for `_`. `inject.env` turns settings into environment.
Never here: where the text came from beyond its key (see `inject.decide`), Kubernetes objects.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from isthmus import names, units
from isthmus.errors import BadValue

Read = Callable[[str, str], Any]
"""(text, key) -> value; raises BadValue that names the key."""

_QUANTITY = re.compile(r"^\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")
_IMAGE = re.compile(r"^[a-z0-9]([a-zA-Z0-9._:/@-]*[a-zA-Z0-9])?$")
_SUBNET = re.compile(r"^[0-9a-fA-F.:]+/\d{1,3}$")
ADDITIONAL_ENV_LIMIT = 64
"""Variables one `proxy-additional-env` may add."""


def _text(text: str, _key: str) -> str:
    return text


def _port(text: str, key: str) -> int:
    return units.port(text, key=key)


def _ports(text: str, key: str) -> str:
    """A checked port list, kept as text: ranges stay ranges, which the proxy and init read themselves."""
    units.ports(text, key=key)
    return ",".join(filter(None, (part.strip() for part in text.split(","))))


def _flag(text: str, key: str) -> bool:
    return units.flag(text, key=key)


def _duration(text: str, key: str) -> float:
    return units.duration(text, key=key)


def _wait(text: str, key: str) -> float:
    """A duration; a bare number is seconds, as Linkerd's wait-before-exit and close-wait settings are written."""
    return float(text) if text.isascii() and text.isdigit() else units.duration(text, key=key)


def _number(low: int, high: int) -> Read:
    def read(text: str, key: str) -> int:
        if not re.fullmatch(r"-?\d{1,10}", text) or not low <= int(text) <= high:
            raise BadValue(key, text, f'"{max(low, 2102)}"', why=f"not a number from {low} to {high}")
        return int(text)

    return read


def _ratio(text: str, key: str) -> float | None:
    if text == "":
        return None
    if not re.fullmatch(r"0?\.\d{1,6}|1(\.0+)?|0", text) or not 0 < float(text) <= 1:
        raise BadValue(key, text, '"0.5"', why="not a ratio above 0, at most 1")
    return float(text)


def _quantity(text: str, key: str) -> str:
    if text and not _QUANTITY.match(text):
        raise BadValue(key, text, '"100m" or "64Mi"', why="not a Kubernetes quantity")
    return text


def _image(text: str, key: str) -> str:
    if not _IMAGE.match(text):
        raise BadValue(key, text, '"registry.example/isthmus-proxy"', why="not an image name")
    return text


def _subnets(text: str, key: str) -> str:
    for part in filter(None, (p.strip() for p in text.split(","))):
        if not _SUBNET.match(part):
            raise BadValue(key, part, '"10.0.0.0/8"', why="not a subnet")
    return text.replace(" ", "")


def _choice(*words: str) -> Read:
    def read(text: str, key: str) -> str:
        if text not in words:
            raise BadValue(key, text, " or ".join(f'"{w}"' for w in words if w))
        return text

    return read


def _additional_env(text: str, key: str) -> tuple[Mapping[str, Any], ...]:
    if not text:
        return ()
    example = """'[{"name": "A", "value": "b"}]'"""
    try:
        found: Any = json.loads(text)
    except ValueError:
        raise BadValue(key, text, example, why="not JSON") from None
    listed = cast("list[Any]", found) if isinstance(found, list) else [None]
    if len(listed) > ADDITIONAL_ENV_LIMIT:
        raise BadValue(key, f"{len(listed)} variables", example, why=f"the limit is {ADDITIONAL_ENV_LIMIT}")
    if not all(isinstance(one, dict) and isinstance(cast("dict[str, Any]", one).get("name"), str) for one in listed):
        raise BadValue(key, text, example, why="not a list of variables")
    return tuple(cast("list[Mapping[str, Any]]", listed))


def _knob(read: Read, default: str, says: str, *, inherits: bool = True, alias: tuple[str, ...] = ()) -> Any:
    """A field declared with its reader, default text and sentence; `inherits`: a namespace's annotation counts for its pods."""
    facts = {"read": read, "default": default, "says": says, "inherits": inherits, "alias": alias}
    return field(default=read(default, "default"), metadata=facts)


INBOUND_POLICIES = (
    "all-unauthenticated",
    "all-authenticated",
    "cluster-unauthenticated",
    "cluster-authenticated",
    "deny",
    "audit",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A proxy's settings. Durations in seconds, port lists as checked text, quantities as Kubernetes writes them, "" for none."""

    inbound_port: int = _knob(_port, "4143", "where the proxy takes traffic for the pod")
    outbound_port: int = _knob(_port, "4140", "where the proxy takes traffic from the pod (loopback)")
    admin_port: int = _knob(_port, "4191", "metrics and probes")
    control_port: int = _knob(_port, "4190", "tap")
    skip_inbound_ports: str = _knob(_ports, "4567,4568", "ports whose inbound traffic never meets the proxy")
    skip_outbound_ports: str = _knob(_ports, "4567,4568", "ports whose outbound traffic never meets the proxy")
    skip_subnets: str = _knob(_subnets, "", "peers whose traffic never meets the proxy")
    opaque_ports: str = _knob(_ports, names.OPAQUE_PORTS, "ports whose traffic is not looked into")
    pod_inbound_ports: str = _knob(
        _ports, "", "ports the proxy learns policy for at once; default: the containers' ports"
    )
    proxy_image: str = _knob(_image, "localhost/isthmus-proxy", "image of proxy and init, without its tag")
    proxy_version: str = _knob(_text, "", "tag of the image; default: the control plane's version")
    image_pull_policy: str = _knob(
        _choice("IfNotPresent", "Always", "Never"), "IfNotPresent", "when nodes pull the image"
    )
    proxy_log_level: str = _knob(_text, "warn,linkerd=info,hickory=error", "which log lines are written")
    proxy_log_format: str = _knob(_choice("plain", "json"), "plain", "how log lines look")
    proxy_log_http_headers: str = _knob(
        _choice("off", "insecure"), "off", "whether headers may be logged at debug level"
    )
    access_log: str = _knob(_choice("", "apache", "json"), "", "one line per request on stderr")
    default_inbound_policy: str = _knob(
        _choice(*INBOUND_POLICIES), "all-unauthenticated", "who may call where no Server says"
    )
    proxy_require_identity_inbound_ports: str = _knob(_ports, "", "ports that take only clients with an identity")
    enable_external_profiles: bool = _knob(_flag, "false", "look profiles up for names outside the cluster too")
    enable_gateway: bool = _knob(_flag, "false", "let linked clusters in through this pod", inherits=False)
    proxy_cpu_request: str = _knob(_quantity, "", "CPU the proxy asks for")
    proxy_cpu_limit: str = _knob(_quantity, "", "CPU the proxy may use; rounded up it is the number of workers")
    proxy_cpu_ratio_limit: float | None = _knob(_ratio, "", "workers as a share of the node's CPUs", inherits=False)
    proxy_memory_request: str = _knob(_quantity, "", "memory the proxy asks for")
    proxy_memory_limit: str = _knob(_quantity, "", "memory the proxy may use")
    proxy_ephemeral_storage_request: str = _knob(_quantity, "", "disk the proxy asks for")
    proxy_ephemeral_storage_limit: str = _knob(_quantity, "", "disk the proxy may use")
    proxy_uid: int = _knob(
        _number(1, 2**31 - 1), str(names.PROXY_UID), "user the proxy runs as; its own traffic is not redirected"
    )
    proxy_gid: int = _knob(_number(-1, 2**31 - 1), "-1", "group the proxy runs as; -1: the image's")
    proxy_admin_shutdown: bool = _knob(_flag, "disabled", "POST /shutdown on the admin port ends the proxy")
    shutdown_grace_period: float = _knob(
        _duration, "120s", "how long open connections may last after the pod is told to stop"
    )
    proxy_inbound_connect_timeout: float = _knob(_duration, "100ms", "connecting to the application")
    proxy_outbound_connect_timeout: float = _knob(_duration, "1000ms", "connecting to another pod, TLS included")
    proxy_inbound_discovery_cache_unused_timeout: float = _knob(
        _duration, "90s", "unused inbound policy is forgotten after this"
    )
    proxy_outbound_discovery_cache_unused_timeout: float = _knob(
        _duration, "5s", "an unused destination is forgotten after this"
    )
    proxy_disable_inbound_protocol_detect_timeout: bool = _knob(
        _flag, "false", "wait for a client's first bytes for ever"
    )
    proxy_disable_outbound_protocol_detect_timeout: bool = _knob(
        _flag, "false", "wait for the application's first bytes for ever"
    )
    proxy_metrics_hostname_labels: bool = _knob(_flag, "false", "label outbound metrics with host names")
    proxy_await: bool = _knob(_flag, "enabled", "the application starts only when its proxy is ready")
    proxy_enable_native_sidecar: bool = _knob(
        _flag,
        "true",
        "the proxy is a sidecar container of Kubernetes",
        alias=("config.beta.linkerd.io/", "config.alpha.linkerd.io/"),
    )
    proxy_wait_before_exit_seconds: float = _knob(
        _wait, "0", "how long a proxy that is no sidecar outlives the stop", alias=("config.alpha.linkerd.io/",)
    )
    proxy_additional_env: tuple[Mapping[str, Any], ...] = _knob(_additional_env, "", "more environment, a JSON list")


FIELDS: dict[str, dataclasses.Field[Any]] = {f.name.replace("_", "-"): f for f in dataclasses.fields(Settings)}
"""Key, as in `config.linkerd.io/<key>` -> its field."""


def annotations(key: str) -> tuple[str, ...]:
    """The annotations a setting may be written as, the usual one first."""
    return (f"{names.CONFIG}{key}", *(f"{prefix}{key}" for prefix in FIELDS[key].metadata["alias"]))


ELSEWHERE = frozenset({f"{names.CONFIG}admission-webhooks"})
"""Annotations of this family that are no settings of a proxy and yet are read."""
FAMILIES = (names.CONFIG, "config.alpha.linkerd.io/", "config.beta.linkerd.io/")
COMPLAINTS = 5
"""Sentences about unknown annotations of one object; the rest are counted."""


def complaints(notes: Iterable[str], where: str) -> tuple[str, ...]:
    """A sentence for each annotation that looks like a setting and is none, with the nearest that is one; they have no effect."""
    real = sorted({name for key in FIELDS for name in annotations(key)} | ELSEWHERE)
    strangers = sorted(note for note in notes if note.startswith(FAMILIES) and note not in real)
    said = [f"annotation {one} {where} has no effect: no such setting{_nearest(one, real)}" for one in strangers]
    return (*said[:COMPLAINTS], *([f"and {len(said) - COMPLAINTS} more"] if len(said) > COMPLAINTS else []))


def _nearest(text: str, listed: list[str]) -> str:
    near = difflib.get_close_matches(text, listed, n=1, cutoff=0.8)
    return f"; the nearest is {near[0]}" if near else "; docs/settings.md lists them"


def overlay(base: Settings, texts: Mapping[str, str], where: str) -> Settings:
    """`base` with the settings in `texts` (key -> text). `where` completes the key in a refusal: "on Pod shop/web".

    Raises:
        BadValue: an unknown key, or a text its reader refuses.
    """
    changes: dict[str, Any] = {}
    for key, text in texts.items():
        known(key, FIELDS, where=where)
        changes[FIELDS[key].name] = FIELDS[key].metadata["read"](text.strip(), f"{key} {where}".strip())
    return dataclasses.replace(base, **changes)


def known(key: str, keys: Iterable[str], *, where: str) -> None:
    """Refuse a key that is none of `keys`, naming the nearest one that is. `where` is the door it came through."""
    listed = list(keys)
    if key not in listed:
        near = difflib.get_close_matches(key, listed, n=1, cutoff=0.4)
        raise BadValue(where, key, near[0] if near else listed[0], why="no such setting")
