"""Read a Link once, at the door. In: a Link object as Kubernetes holds it. Out: a typed Link, or a BadValue that names the field.

Never here: I/O, name resolution (see `gateway`), the credentials' content (see `isthmus.kube.access`).
All fields of `spec` are text (multicluster.linkerd.io, v1alpha1 to v1alpha3); numbers and durations become values here.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from isthmus import names, units
from isthmus.errors import BadValue

GATEWAY_ADDRESSES = 50
"""Addresses one Link may have; names that answer with more are cut to the first of them in order."""

_HOST = re.compile(r"^(?=.{1,253}$)[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*\.?$")
_LABEL_KEY = re.compile(r"^([a-z0-9.-]{1,253}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
_LABEL_VALUE = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")
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


class _Term(msgspec.Struct, rename="camel"):
    key: str
    operator: str
    values: list[str] | None = None


class _Labels(msgspec.Struct, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: list[_Term] | None = None


class _Questions(msgspec.Struct, rename="camel"):
    path: str | None = None
    port: str | None = None
    period: str | None = None
    timeout: str | None = None
    failure_threshold: str | None = None


class _Spec(msgspec.Struct, rename="camel"):
    """A Link's spec as far as it is read here, with the types it must have."""

    target_cluster_name: str = ""
    target_cluster_domain: str | None = None
    cluster_credentials_secret: str | None = None
    gateway_address: str | None = None
    gateway_port: str | None = None
    gateway_identity: str | None = None
    probe_spec: _Questions | None = None
    selector: _Labels | None = None
    excluded_labels: list[str] | None = None
    excluded_annotations: list[str] | None = None


_EXAMPLES = {
    "selector": "{matchLabels: {mirror.linkerd.io/exported: 'true'}}",
    "probeSpec": "{path: /ready, port: '4191', period: 3s}",
    "excludedLabels": '["example.com/*"]',
    "excludedAnnotations": '["example.com/*"]',
}

Where = Callable[[str], str]
"""A field of the spec, as a refusal names it."""


def parse(name: str, namespace: str, uid: str, spec: Mapping[str, Any]) -> Link:
    """The Link that `spec` describes.

    Raises:
        BadValue: a field is malformed; its key is given as `spec.<field> of Link <namespace>/<name>`.
    """

    def where(field: str) -> str:
        return f"spec.{field} of Link {namespace}/{name}"

    raw = _shape(spec, where)
    if not raw.target_cluster_name:
        raise BadValue(where("targetClusterName"), "", '"west"', why="it must be set")
    cluster = units.dns_label(raw.target_cluster_name, key=where("targetClusterName"))
    return Link(
        key=names.Key(namespace, name),
        uid=uid,
        cluster=cluster,
        domain=_name(raw.target_cluster_domain or names.CLUSTER_DOMAIN, where("targetClusterDomain")),
        credentials=_name(
            raw.cluster_credentials_secret or names.credentials(cluster), where("clusterCredentialsSecret")
        ),
        hosts=_hosts(raw.gateway_address or "", where("gatewayAddress")),
        port=units.port(raw.gateway_port or str(names.INBOUND_PORT), key=where("gatewayPort")),
        identity=_name(raw.gateway_identity, where("gatewayIdentity")) if raw.gateway_identity else "",
        probe=_probe(raw.probe_spec or _Questions(), where),
        selector=_selector(raw.selector, where("selector")),
        excluded_labels=_patterns(raw.excluded_labels or [], where("excludedLabels")),
        excluded_annotations=_patterns(raw.excluded_annotations or [], where("excludedAnnotations")),
    )


def _shape(spec: Mapping[str, Any], where: Where) -> _Spec:
    try:
        return msgspec.convert(spec, _Spec)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$")
        field = path.strip("`").removeprefix(".")
        top = re.split(r"[.\[]", field)[0]
        raise BadValue(where(field), spec.get(top), _EXAMPLES.get(top, '"west"'), why=words) from None


def _name(text: str, key: str) -> str:
    """A DNS name in lower case."""
    if not _HOST.match(text):
        raise BadValue(key, text, '"cluster.local"', why="not a DNS name")
    return text


def _hosts(text: str, key: str) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(filter(None, (part.strip().lower() for part in text.split(",")))))
    example = '"192.0.2.7,gw.west.example"'
    if len(hosts) > GATEWAY_ADDRESSES:
        raise BadValue(key, f"{len(hosts)} addresses", example, why=f"at most {GATEWAY_ADDRESSES}")
    for host in hosts:
        if not _is_ip(host) and (not _HOST.match(host) or host.replace(".", "").isdigit()):
            raise BadValue(key, host, example, why="neither an IP address nor a DNS name")
    return hosts


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _probe(raw: _Questions, where: Where) -> Probe:
    def nested(field: str) -> str:
        return where(f"probeSpec.{field}")

    path = raw.path or "/ready"
    if not re.fullmatch(r"/[\x21-\x7e]*", path):
        raise BadValue(nested("path"), path, '"/ready"', why="not a path")
    period = units.duration(raw.period or "3s", key=nested("period"))
    if period < 0.1:
        raise BadValue(nested("period"), raw.period, '"3s"', why="shorter than 100ms")
    timeout = units.duration(raw.timeout or "30s", key=nested("timeout"))
    if timeout <= 0:
        raise BadValue(nested("timeout"), raw.timeout, '"30s"', why="a probe needs some time")
    threshold = raw.failure_threshold or "3"
    if not re.fullmatch(r"[1-9]\d?|100", threshold, re.ASCII):
        raise BadValue(nested("failureThreshold"), threshold, '"3"', why="not a count from 1 to 100")
    port = units.port(raw.port or str(names.ADMIN_PORT), key=nested("port"))
    return Probe(path, port, period, timeout, int(threshold))


def _selector(raw: _Labels | None, key: str) -> Selector:
    if raw is None:
        return Selector(tuple(Requirement(label, "In", (text,)) for label, text in _DEFAULT_SELECTOR.items()))
    terms = [Requirement(label, "In", (text,)) for label, text in (raw.match_labels or {}).items()]
    terms += [Requirement(term.key, term.operator, tuple(term.values or ())) for term in raw.match_expressions or ()]
    for term in terms:
        listed = term.op in ("In", "NotIn")
        known = listed or term.op in ("Exists", "DoesNotExist")
        texts = all(_LABEL_VALUE.match(value) for value in term.values)
        if not known or listed != bool(term.values) or not _LABEL_KEY.match(term.key) or not texts:
            raise BadValue(key, term.text(), "{key: tier, operator: In, values: [web]}", why="not a label expression")
    return Selector(tuple(terms))


def _patterns(patterns: list[str], key: str) -> tuple[str, ...]:
    for pattern in patterns:
        if "*" in pattern and (not pattern.endswith("/*") or pattern.count("*") > 1):
            raise BadValue(key, pattern, '["example.com/*", "exact/key"]', why="neither a key nor a prefix with /*")
    return tuple(patterns)
