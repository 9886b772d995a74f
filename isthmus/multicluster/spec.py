"""Read a Link once, at the door. In: a Link object as Kubernetes holds it. Out: a typed Link, or a BadValue that names the field.

Never here: I/O, name resolution (see `gateway`), the credentials' content (see `isthmus.kube.access`).
All fields of `spec` are text (multicluster.linkerd.io, v1alpha1 to v1alpha3); numbers and durations become values here.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from isthmus import names, units
from isthmus.errors import BadValue

GATEWAY_ADDRESSES = 50
"""Addresses one Link may have; names that answer with more are cut to the first of them in order."""

_HOST = re.compile(r"^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*\.?$")
_DEFAULT_SELECTOR = {names.EXPORTED: "true"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector; `op` is In, NotIn, Exists or DoesNotExist, as Kubernetes spells them."""

    key: str
    op: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.op:
            case "In":
                return value in self.values
            case "NotIn":
                return value not in self.values
            case "Exists":
                return value is not None
            case _:
                return value is None

    def text(self) -> str:
        match self.op:
            case "In" if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case "In":
                return f"{self.key} in ({','.join(self.values)})"
            case "NotIn":
                return f"{self.key} notin ({','.join(self.values)})"
            case "Exists":
                return self.key
            case _:
                return f"!{self.key}"


@dataclass(frozen=True, slots=True)
class Selector:
    """Terms that must all hold. Without terms it selects nothing: an empty selector never means everything."""

    terms: tuple[Requirement, ...]

    def matches(self, labels: Mapping[str, str]) -> bool:
        return bool(self.terms) and all(term.matches(labels) for term in self.terms)

    def text(self) -> str:
        """As the API server's `labelSelector` takes it; empty when it selects nothing."""
        return ",".join(term.text() for term in self.terms)


@dataclass(frozen=True, slots=True)
class Probe:
    """How the gateway is asked for its health: seconds and counts."""

    path: str
    port: int
    period: float
    timeout: float
    threshold: int


@dataclass(frozen=True, slots=True)
class Link:
    """One target cluster as the source sees it. `hosts` are IPs and DNS names as written; empty means no gateway."""

    key: names.Key
    uid: str
    cluster: str
    domain: str
    credentials: str
    hosts: tuple[str, ...]
    port: int
    identity: str
    probe: Probe
    selector: Selector
    excluded_labels: tuple[str, ...] = ()
    excluded_annotations: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def namespace(self) -> str:
        return self.key.namespace


def parse(name: str, namespace: str, uid: str, spec: Mapping[str, Any]) -> Link:
    """The Link that `spec` describes.

    Raises:
        BadValue: a field is malformed; its key is given as `spec.<field> of Link <namespace>/<name>`.
    """

    def key(field: str) -> str:
        return f"spec.{field} of Link {namespace}/{name}"

    cluster = _text(spec, "targetClusterName", key)
    return Link(
        key=names.Key(namespace, name),
        uid=uid,
        cluster=units.dns_label(cluster, key=key("targetClusterName")),
        domain=_text(spec, "targetClusterDomain", key, names.CLUSTER_DOMAIN),
        credentials=_text(spec, "clusterCredentialsSecret", key, names.credentials(cluster)),
        hosts=_hosts(_text(spec, "gatewayAddress", key, ""), key("gatewayAddress")),
        port=units.port(_text(spec, "gatewayPort", key, str(names.INBOUND_PORT)), key=key("gatewayPort")),
        identity=_text(spec, "gatewayIdentity", key, ""),
        probe=_probe(spec.get("probeSpec") or {}, key),
        selector=_selector(spec.get("selector"), key("selector")),
        excluded_labels=_patterns(spec.get("excludedLabels"), key("excludedLabels")),
        excluded_annotations=_patterns(spec.get("excludedAnnotations"), key("excludedAnnotations")),
    )


def _text(spec: Mapping[str, Any], field: str, key: Any, default: str | None = None) -> str:
    value = spec.get(field)
    if value is None or value == "":
        if default is None:
            raise BadValue(key(field), value, '"west"', why="it must be set")
        return default
    if not isinstance(value, str):
        raise BadValue(key(field), value, '"west"', why="not text")
    return value


def _hosts(text: str, key: str) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(filter(None, (part.strip().lower() for part in text.split(",")))))
    if len(hosts) > GATEWAY_ADDRESSES:
        raise BadValue(
            key, f"{len(hosts)} addresses", '"192.0.2.7,gw.west.example"', why=f"at most {GATEWAY_ADDRESSES}"
        )
    for host in hosts:
        if not _is_ip(host) and (not _HOST.match(host) or host.replace(".", "").isdigit()):
            raise BadValue(key, host, '"192.0.2.7,gw.west.example"', why="neither an IP address nor a DNS name")
    return hosts


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _probe(spec: Mapping[str, Any], key: Any) -> Probe:
    def nested(field: str) -> str:
        return key(f"probeSpec.{field}")

    path = _text(spec, "path", nested, "/ready")
    if not re.fullmatch(r"/[\x21-\x7e]*", path):
        raise BadValue(nested("path"), path, '"/ready"', why="not a path")
    period = units.duration(_text(spec, "period", nested, "3s"), key=nested("period"))
    timeout = units.duration(_text(spec, "timeout", nested, "30s"), key=nested("timeout"))
    threshold = _text(spec, "failureThreshold", nested, "3")
    if not threshold.isascii() or not threshold.isdigit() or not 1 <= int(threshold) <= 100:
        raise BadValue(nested("failureThreshold"), threshold, '"3"', why="not a count from 1 to 100")
    if period < 0.1:
        raise BadValue(nested("period"), spec.get("period"), '"3s"', why="shorter than 100ms")
    if timeout <= 0:
        raise BadValue(nested("timeout"), spec.get("timeout"), '"30s"', why="a probe needs some time")
    port = units.port(_text(spec, "port", nested, str(names.ADMIN_PORT)), key=nested("port"))
    return Probe(path, port, period, timeout, int(threshold))


def _selector(value: object, key: str) -> Selector:
    if value is None:
        return Selector(tuple(Requirement(label, "In", (text,)) for label, text in _DEFAULT_SELECTOR.items()))
    if not isinstance(value, Mapping):
        raise BadValue(key, value, "matchLabels: {mirror.linkerd.io/exported: 'true'}", why="not a label selector")
    fields = cast(Mapping[str, Any], value)
    equal: Mapping[str, str] = fields.get("matchLabels") or {}
    listed: list[Mapping[str, Any]] = fields.get("matchExpressions") or []
    terms = [Requirement(label, "In", (text,)) for label, text in equal.items()]
    for term in listed:
        op, values = str(term.get("operator")), tuple(str(v) for v in term.get("values") or ())
        if op not in ("In", "NotIn", "Exists", "DoesNotExist") or (op in ("In", "NotIn")) != bool(values):
            raise BadValue(key, dict(term), "{key: tier, operator: In, values: [web]}", why="not a label expression")
        terms.append(Requirement(str(term.get("key")), op, values))
    return Selector(tuple(terms))


def _patterns(value: object, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise BadValue(key, value, '["example.com/*"]', why="not a list")
    patterns = tuple(str(item) for item in cast(list[object], value))
    for pattern in patterns:
        if "*" in pattern and (not pattern.endswith("/*") or pattern.count("*") > 1):
            raise BadValue(key, pattern, '["example.com/*", "exact/key"]', why="neither a key nor a prefix with /*")
    return patterns
