"""How the CLI and the dashboard tap one cluster, through its API server. In: a kube client, a `Wish`. Out: events.

Rights are the API server's and the tap service's. Never here: more than one cluster (see `several`), printing.
Limit: a stream lasts as long as the tap service lets it, or until the caller leaves.
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from isthmus.errors import IsthmusError
from isthmus.kube import client as kube
from isthmus.rpc import viz_pb2 as viz
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap.ask import resource
from isthmus.tap.tell import events, frames

_HEADERS = {"Content-Type": "application/octet-stream", "Accept": "*/*", "isthmus-tap": "1"}
Match = api.TapByResourceRequest.Match


@dataclass(frozen=True, slots=True)
class Wish:
    """What is tapped, and which of its requests. Empty texts match all; `path` is how a path begins. `to` is where requests go."""

    target: resource.Resource
    to: resource.Resource | None = None
    selector: str = ""
    method: str = ""
    scheme: str = ""
    authority: str = ""
    path: str = ""
    rps: float = 100.0
    headers: bool = False

    def message(self) -> api.TapByResourceRequest:
        """As the API wants it."""
        made = api.TapByResourceRequest(maxRps=self.rps)
        made.target.resource.CopyFrom(self.target.message())
        made.target.label_selector = self.selector
        parts = made.match.all.matches
        if self.to is not None:
            parts.add().destinations.resource.CopyFrom(self.to.message())
        for field in ("scheme", "method", "authority", "path"):
            if text := getattr(self, field):
                parts.append(Match(http=Match.Http(**{field: text})))
        if self.headers:
            made.extract.http.headers.SetInParent()
        return made


async def open_(client: kube.Client, wish: Wish, *, cluster: str = "") -> AsyncGenerator[events.Event]:
    """The events, as they come.

    Raises:
        IsthmusError: refused, with the tap service's own sentence. Unreachable: the cluster does not answer.
    """
    reader, body = frames.Reader(), wish.message().SerializeToString()
    try:
        async for part in client.stream(wish.target.path, body, _HEADERS, read=_sentence):
            for message in reader.feed(part):
                event = events.read(api.TapEvent.FromString(message), cluster)
                if event is not None:
                    yield event
    except kube.ApiError as error:
        raise told(error, client.access.context) from error
    except DecodeError as error:
        raise IsthmusError(f"cluster {client.access.context!r} sent what is no event: {error}") from error


def _sentence(_status: int, headers: Mapping[str, str], body: bytes) -> str:
    """What a refusal of the tap service says; "" where it is the API server's own."""
    if "linkerd-error" not in headers:
        return ""
    try:
        return viz.ApiError.FromString(next(iter(frames.Reader().feed(body)))).error
    except (DecodeError, StopIteration, IsthmusError):
        return headers["linkerd-error"]


def told(error: kube.ApiError, context: str) -> IsthmusError:
    """A refusal in words for people."""
    if error.status == 404 and "could not find" in error.sentence:
        return IsthmusError(
            f"cluster {context!r} has no tap service", hint=f"isthmus viz install --apply --context {context}"
        )
    if error.status in (502, 503, 504):
        return IsthmusError(
            f"the tap service of cluster {context!r} is not ready: {error.sentence}",
            hint=f"kubectl --context {context} get apiservice v1alpha1.tap.linkerd.io",
        )
    return IsthmusError(f"cluster {context!r}: {error.sentence}")
