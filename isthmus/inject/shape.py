"""Read documents whose parts may be missing, null or of another shape. In: a document, keys. Out: a map or a list, perhaps empty.

Never here: which keys mean what. People's YAML comes through here, so nothing is taken for granted.
"""

from collections.abc import Mapping
from typing import Any, cast

Doc = dict[str, Any]


def part(doc: Mapping[str, Any], *keys: str) -> Doc:
    """The map under `keys`; what it holds may be changed in place where it exists."""
    found: Any = doc
    for key in keys:
        found = cast("Doc", found).get(key) if isinstance(found, dict) else None
    return cast("Doc", found) if isinstance(found, dict) else {}


def rows(doc: Mapping[str, Any], *keys: str) -> list[Doc]:
    """The maps in the list under `keys`."""
    found: Any = part(doc, *keys[:-1]).get(keys[-1])
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    return [cast("Doc", one) for one in listed if isinstance(one, dict)]


def text(doc: Mapping[str, Any], *keys: str) -> str:
    """The text under `keys`, or ""."""
    found: Any = part(doc, *keys[:-1]).get(keys[-1])
    return "" if found is None else str(found)


def texts(doc: Mapping[str, Any], *keys: str) -> dict[str, str]:
    """A map of texts, as labels and annotations are: a copy."""
    return {str(key): str(value) for key, value in part(doc, *keys).items() if value is not None}
