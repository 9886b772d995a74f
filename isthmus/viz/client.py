"""How the CLI and the dashboard ask a cluster's metrics API. In: a kube client, a protobuf question. Out: its protobuf answer.

The question goes as HTTP through the API server's proxy of Services, so that whoever may speak to the cluster needs no port-forward and no
way into its network; the rights are the API server's (`get` and `create` on `services/proxy` in the viz namespace).
Never here: what is asked, more than one cluster (see `isthmus.cli`).
"""

from typing import Protocol, TypeVar

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.kube import client as kube

API = "linkerd2.viz.Api"
INSIGHT = "isthmus.viz.Insight"
SERVICE = "metrics-api"
PORT = "http"
PATH = "rpc"
CONTENT = "application/x-protobuf"


class Message(Protocol):
    """A protobuf message, as much of it as is needed here."""

    def SerializeToString(self) -> bytes: ...  # noqa: N802 (protobuf's name)


A = TypeVar("A")
Given_co = TypeVar("Given_co", covariant=True)


class Answer(Protocol[Given_co]):
    """A message's class."""

    def FromString(self, s: bytes) -> Given_co: ...  # noqa: N802


class Metrics:
    """One cluster's metrics API."""

    def __init__(self, client: kube.Client, namespace: str = names.VIZ_NS) -> None:
        self._client = client
        self._root = f"/api/v1/namespaces/{namespace}/services/{SERVICE}:{PORT}/proxy/{PATH}"

    async def ask(self, service: str, method: str, question: Message, answer: Answer[A]) -> A:
        """Call `service`/`method` (API or INSIGHT); see isthmus/rpc/proto for the messages.

        Raises:
            IsthmusError: the viz extension is not there, or not ready. Unreachable: the cluster does not answer.
        """
        try:
            data = await self._client.post(f"{self._root}/{service}/{method}", question.SerializeToString(), CONTENT)
        except kube.ApiError as error:
            raise told(error, self._client.access.context) from error
        return answer.FromString(data)


def told(error: kube.ApiError, context: str) -> IsthmusError:
    """A refusal of the API server, or of the metrics API behind it, in words for people."""
    hint = f"isthmus viz install --apply --context {context}"
    if absent(error):
        return IsthmusError(f"cluster {context!r} has no metrics API", hint=hint)
    if error.status == 404:
        older = f"isthmus viz upgrade --apply --context {context}"
        return IsthmusError(
            f"the metrics API of cluster {context!r} is of another version: {error.sentence}", hint=older
        )
    if error.status in (502, 503, 504) and error.reason == "ServiceUnavailable":
        return IsthmusError(
            f"the metrics API of cluster {context!r} is not ready", hint=f"isthmus check --context {context}"
        )
    look = f"isthmus viz check --context {context}" if error.status == 424 else ""
    return IsthmusError(f"the metrics API of cluster {context!r}: {error.sentence}", hint=look)


def absent(error: kube.ApiError) -> bool:
    """Whether the API server knows no metrics API; a 404 without its word for it comes from the metrics API itself."""
    return error.status == 404 and error.reason == "NotFound"
