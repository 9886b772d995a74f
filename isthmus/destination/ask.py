"""Read what a proxy asks. In: `path` and `context_token` of a request. Out: the Service port or address meant, and who asks; or Refused.

Never here: whether what is asked for exists. Limit: CONTEXT bytes of a context token are looked at; a longer one counts as empty.
"""

import ipaddress
import json
from dataclasses import dataclass
from typing import Any, cast

from isthmus import names, service
from isthmus.serve import refusal

CONTEXT = 4096
DEFAULT_PORT = 80


@dataclass(frozen=True, slots=True)
class Named:
    """A port of a Service, or of the one pod that has `host` as its hostname there."""

    service: names.Key
    port: int
    host: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """An IP, written the usual way, and a port."""

    ip: str
    port: int


@dataclass(frozen=True, slots=True)
class Client:
    """Where the asking proxy runs; empty fields are unknown."""

    namespace: str = ""
    node: str = ""
    pod: str = ""


def path(text: str, cluster_domain: str) -> Named | Address:
    """What `host[:port]` means; the port is 80 where none is given.

    Raises:
        refusal.Refused: it is no address and no name of a Service in this cluster.
    """
    host, port = _parts(text)
    try:
        return Address(str(ipaddress.ip_address(host)), port)
    except ValueError:
        pass
    found = service.name_of(host, cluster_domain)
    if found is None:
        raise refusal.Refused(
            "invalid", f"{host!r} is no Service; ask for example for web.shop.svc.{cluster_domain}:80"
        )
    return Named(found[1], port, found[0])


def name(text: str, cluster_domain: str) -> Named:
    """As `path`, for questions that take no addresses."""
    asked = path(text, cluster_domain)
    if isinstance(asked, Address):
        raise refusal.Refused("invalid", f"{text!r} is an address; endpoints are looked up by name")
    return asked


def _parts(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    if not port:
        return host, DEFAULT_PORT
    if not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65535:
        raise refusal.Refused("invalid", f"{text!r} has no port from 1 to 65535")
    return host, int(port)


def client(token: str) -> Client:
    """Who asks: JSON `{"ns", "nodeName", "pod"}`, or `ns:<namespace>` as old proxies have it; anything else tells nothing."""
    if token.startswith("ns:"):
        return Client(token.removeprefix("ns:"))
    if len(token) > CONTEXT:
        return Client()
    try:
        found: Any = json.loads(token)
    except ValueError:
        return Client()
    if not isinstance(found, dict):
        return Client()
    fields = cast("dict[str, Any]", found)
    return Client(*(str(fields.get(k) or "") for k in ("ns", "nodeName", "pod")))
