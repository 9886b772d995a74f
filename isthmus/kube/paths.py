"""Where kinds live in the API. In: lightkube kinds, or apiVersion and kind as text. Out: URL paths. Never here: calls."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lightkube.core.exceptions import LoadResourceError
from lightkube.core.resource import ApiInfo, NamespacedResource, NamespacedSubResource
from lightkube.core.resource_registry import resource_registry

ALL = "*"


@dataclass(frozen=True, slots=True)
class Place:
    """A kind's place: root of its group and version, its plural, whether it stands in namespaces."""

    root: str
    plural: str
    namespaced: bool

    def path(self, namespace: str, name: str) -> str:
        """The path of one object."""
        return f"{self.collection(namespace)}/{quote(name, safe=':')}"

    def collection(self, namespace: str | None) -> str:
        """The path of a namespace's objects, or of all (None or "*")."""
        inside = self.namespaced and namespace not in (None, ALL)
        return (
            f"{self.root}/namespaces/{quote(namespace or '')}/{self.plural}" if inside else f"{self.root}/{self.plural}"
        )


def info(kind: type[Any]) -> ApiInfo:
    """What lightkube knows of a kind."""
    return kind._api_info  # noqa: SLF001 - lightkube has no public way


def root(api_version: str) -> str:
    """`v1` -> `api/v1`, `apps/v1` -> `apis/apps/v1`."""
    return f"apis/{api_version}" if "/" in api_version else f"api/{api_version}"


def place(kind: type[Any]) -> Place:
    """Where a kind lives."""
    api = info(kind)
    namespaced = issubclass(kind, NamespacedResource | NamespacedSubResource)
    return Place(f"/{root(api.resource.api_version)}", api.plural, namespaced)


def of(kind: type[Any], namespace: str, name: str) -> str:
    """The path of one object; the namespace of a cluster-wide kind is ignored."""
    return place(kind).path(namespace, name)


def collection(kind: type[Any], namespace: str | None) -> str:
    """The path of a list or watch."""
    return place(kind).collection(namespace)


def known(api_version: str, kind: str) -> Place | None:
    """The place of a kind this program was built with; None for others, which the server is asked about."""
    try:
        return place(resource_registry.load(api_version, kind))  # pyright: ignore[reportUnknownMemberType]
    except (LoadResourceError, ImportError):
        return None
