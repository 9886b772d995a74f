"""The choices of the viz extension, checked once. In: `--set key=text`, what an earlier installation stored. Out: `Values`.

One row here is one key of `isthmus viz install --set` and of ConfigMap `viz-config`. Never here: documents (see `parts`).
"""

import dataclasses
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import isthmus
from isthmus import knobs, units
from isthmus.errors import BadValue
from isthmus.inject import mesh
from isthmus.install import manifest
from isthmus.install import values as core

_SIZE = re.compile(r"^\d+(MB|GB)$")
_LIMIT = 10_000_000


def _url(text: str, key: str) -> str:
    parts = urllib.parse.urlsplit(text)
    if text and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
        raise BadValue(key, text, "http://prometheus.monitoring.svc.cluster.local:9090", why="not a URL")
    return text.rstrip("/")


def _size(text: str, key: str) -> str:
    if not _SIZE.match(text):
        raise BadValue(key, text, "512MB", why="not a size")
    return text


def _interval(text: str, key: str) -> str:
    if not 1 <= units.duration(text, key=key, example="10s") <= 300:
        raise BadValue(key, text, "10s", why="not from 1s to 5m")
    return text


def _many(text: str, key: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _LIMIT:
        raise BadValue(key, text, "50000", why=f"not a number from 1 to {_LIMIT}")
    return int(text)


def _headers(text: str, key: str) -> str:
    return ",".join(sorted(units.header_names(text, key=key)))


def _expression(text: str, key: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise BadValue(key, text, r"^mesh\.example\.com$", why=f"not a regular expression: {error}") from None
    return text


_image: core.Read = core.FIELDS["controlImage"].metadata["read"]
_count: core.Read = core.FIELDS["controlReplicas"].metadata["read"]
_duration: core.Read = core.FIELDS["identityIssuanceLifetime"].metadata["read"]
_flag: core.Read = core.FIELDS["multicluster"].metadata["read"]
_quantity: core.Read = knobs.FIELDS["proxy-memory-limit"].metadata["read"]


def _row(key: str, read: core.Read, default: str, says: str) -> Any:
    return field(default=read(default, key), metadata={"key": key, "read": read, "says": says})


def _discovery(text: str, key: str) -> str:
    if text not in ("http", "kubernetes"):
        raise BadValue(key, text, "http or kubernetes")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """Every choice of the extension. Images of the control plane and of proxies are the installation's own."""

    prometheus_url: str = _row("prometheusUrl", _url, "", "a Prometheus that is there already; without, one is brought")
    prometheus_image: str = _row(
        "prometheusImage", _image, f"localhost/isthmus-prometheus:{isthmus.__version__}", "image of the one brought"
    )
    scrape_interval: str = _row("scrapeInterval", _interval, "10s", "how often proxies and controllers are scraped")
    retention: str = _row("prometheusRetention", _duration, "6h", "how long samples are kept")
    retention_size: str = _row("prometheusRetentionSize", _size, "512MB", "how much disk they may take")
    sample_limit: int = _row(
        "prometheusSampleLimit", _many, "50000", "samples one target may show; more fail its scrape"
    )
    memory_limit: str = _row("prometheusMemoryLimit", _quantity, "1Gi", "memory it may use")
    discovery: str = _row(
        "scrapeDiscovery",
        _discovery,
        "http",
        "http: Prometheus asks the metrics API what to scrape; kubernetes: the API server, where it is built with that",
    )
    cadvisor: bool = _row(
        "cadvisor", _flag, "false", "scrape the kubelets' container metrics too; needs scrapeDiscovery=kubernetes"
    )
    replicas: int = _row("metricsApiReplicas", _count, "1", "replicas of the metrics API")
    ignored_headers: str = _row(
        "tapIgnoreHeaders",
        _headers,
        "",
        "names of headers that taps never show, comma separated: `x-api-key,x-session`",
    )
    dashboard: bool = _row("dashboard", _flag, "true", "a dashboard in the cluster; `isthmus dashboard` needs none")
    dashboard_open: bool = _row(
        "dashboardOpen", _flag, "false", "no login: everybody who reaches it sees the mesh; nobody changes anything"
    )
    dashboard_host: str = _row(
        "dashboardHost",
        _expression,
        "",
        "a regular expression for the names it is reached by, where it stands behind an ingress",
    )


FIELDS: dict[str, dataclasses.Field[Any]] = {f.metadata["key"]: f for f in dataclasses.fields(Values)}
"""Key -> its field."""


def overlay(base: Values, texts: Mapping[str, str], *, where: str = "--set") -> Values:
    """`base` with the given keys.

    Raises:
        BadValue: an unknown key (the nearest known one is named) or a text its reader refuses.
    """
    changes: dict[str, Any] = {}
    for key, text in texts.items():
        knobs.known(key, FIELDS, where=where)
        read: core.Read = FIELDS[key].metadata["read"]
        changes[FIELDS[key].name] = read(text.strip(), f"{key} ({where})")
    made = dataclasses.replace(base, **changes)
    if made.cadvisor and made.discovery != "kubernetes":
        raise BadValue(
            f"cadvisor ({where})", "true", "scrapeDiscovery=kubernetes", why="nodes are found by Kubernetes discovery"
        )
    return made


def store(values: Values) -> str:
    """The text of ConfigMap `viz-config`, key `values`."""
    rows = {key: said(getattr(values, field.name)) for key, field in FIELDS.items()}
    return manifest.write([{core.VERSION_KEY: isthmus.__version__, **rows}]).removeprefix("---\n")


def load(text: str) -> Values:
    """What `store` wrote, by this version or an earlier one: a default of that version moves on, a key that is gone is dropped."""
    found = mesh.stored(text)
    then = str(found.get(core.VERSION_KEY, ""))
    texts = {key: str(found[key]) for key in FIELDS if key in found}
    return overlay(
        Values(),
        {key: t for key, t in texts.items() if t != said(FIELDS[key].default).replace(isthmus.__version__, then)},
        where="ConfigMap viz-config",
    )


def said(value: object) -> str:
    """A value as a person would write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
