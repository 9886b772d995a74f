"""Small values people write: durations, port lists, names. In: text with the key it stood under. Out: typed values.

Never here: defaults (see `knobs`), Kubernetes objects, clocks.
Durations are what Linkerd's annotations and environment take: an integer and ms, s, m, h or d, or a bare 0.
"""

import re

from isthmus.errors import BadValue

_DURATION = re.compile(r"^(\d+)(ms|s|m|h|d)$")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_HEADER = re.compile(r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$")
_DNS_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")


def duration(text: str, *, key: str, example: str = '"10s"') -> float:
    """Seconds in `text`; raises BadValue that names `key`."""
    text = text.strip()
    if text == "0":
        return 0.0
    found = _DURATION.match(text)
    if not found:
        raise BadValue(key, text, example, why="not a duration")
    return int(found[1]) * _SECONDS[found[2]]


def print_duration(seconds: float) -> str:
    """The shortest text `duration` reads back as `seconds`, in whole milliseconds."""
    millis = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if millis and millis % size == 0:
            return f"{millis // size}{unit}"
    return f"{millis}ms" if millis else "0"


def port(text: str, *, key: str) -> int:
    """A port from 1 to 65535."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise BadValue(key, text, '"8080"', why="not a port from 1 to 65535")
    return int(text)


def ports(text: str, *, key: str) -> frozenset[int]:
    """Ports and ranges, comma separated: `25,587,4000-4002`. Empty text is no port."""
    found: set[int] = set()
    for part in filter(None, (p.strip() for p in text.split(","))):
        low, dash, high = part.partition("-")
        first = port(low, key=key)
        last = port(high, key=key) if dash else first
        if last < first:
            raise BadValue(key, part, '"4000-4002"', why="the range runs backwards")
        found.update(range(first, last + 1))
    return frozenset(found)


def dns_label(text: str, *, key: str) -> str:
    """A name Kubernetes takes for a Service or a cluster (RFC 1123 label)."""
    if not _DNS_LABEL.match(text):
        raise BadValue(key, text, '"west"', why="not a DNS label: a-z, 0-9 and '-', at most 63 characters")
    return text


def flag(text: str, *, key: str) -> bool:
    """`true` or `false`, also as `enabled` and `disabled`."""
    match text.strip().lower():
        case "true" | "enabled":
            return True
        case "false" | "disabled":
            return False
        case _:
            raise BadValue(key, text, '"true"', why="neither true nor false")


def header_names(text: str, *, key: str) -> frozenset[str]:
    """Names of header fields in lower case, comma separated: `x-api-key,x-session`. Empty text is no name."""
    found = [part.strip() for part in text.split(",") if part.strip()]
    for name in found:
        if not _HEADER.match(name):
            raise BadValue(key, name, '"x-api-key,x-session"', why="not the name of a header")
    return frozenset(name.lower() for name in found)
