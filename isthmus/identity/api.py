"""`io.linkerd.proxy.identity.Identity`: Certify. In: a request. Out: a certificate, or a refusal whose code says whose fault it is.

The order of checks is Linkerd's, cheap ones first; the API server is asked about a token only when all else holds.
Limits: REVIEWS token reviews at once, QUEUE requests that wait for one; more are told to come back (RESOURCE_EXHAUSTED).
Never here: the checks themselves (see `request`, `review`, `issuer`).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import prometheus_client

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.identity import issuer, request, review
from isthmus.rpc import identity_pb2
from isthmus.serve import grpc

NAME = "io.linkerd.proxy.identity.Identity"
REVIEWS = 64
QUEUE = 2048

Review = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
"""Asks the API server; raises IsthmusError when it refuses or does not answer."""


@dataclass(frozen=True, slots=True)
class Terms:
    """Under which names, and for how long, certificates are given."""

    control_ns: str = names.CONTROL_NS
    trust_domain: str = names.CLUSTER_DOMAIN
    lifetime: timedelta = timedelta(hours=24)
    skew: timedelta = timedelta(seconds=20)


class Identity:
    """Answers Certify. `tell` hears of each certificate (account, sentence) and of an issuer that went bad (None, sentence)."""

    def __init__(
        self,
        terms: Terms,
        current: Callable[[], issuer.Issuer | None],
        ask: Review,
        *,
        now: Callable[[], datetime],
        serial: Callable[[], int],
        tell: Callable[[names.Key | None, str], None],
        registry: prometheus_client.CollectorRegistry,
    ) -> None:
        self._terms = terms
        self._current = current
        self._ask = ask
        self._now = now
        self._serial = serial
        self._tell = tell
        self._reviews = asyncio.Semaphore(REVIEWS)
        self._waiting = 0
        self._count = prometheus_client.Counter(
            "identity_certify", "Answers to Certify, by gRPC status.", ["status"], registry=registry
        )

    def service(self) -> grpc.Service:
        """What the gRPC server is given."""
        made = grpc.Service(NAME)
        made.unary("Certify", identity_pb2.CertifyRequest.FromString, self.certify)
        return made

    async def certify(self, asked: identity_pb2.CertifyRequest) -> identity_pb2.CertifyResponse:
        """One certificate.

        Raises:
            Refusal: with the code and the sentence the proxy's log will show.
        """
        try:
            answer = await self._certify(asked)
        except grpc.Refusal as refusal:
            self._count.labels(refusal.code.name).inc()
            raise
        self._count.labels("OK").inc()
        return answer

    async def _certify(self, asked: identity_pb2.CertifyRequest) -> identity_pb2.CertifyResponse:
        if self._current() is None:
            raise grpc.Refusal(grpc.Code.UNAVAILABLE, "no issuer is loaded yet")
        try:
            wanted = request.read(asked.identity, asked.token, asked.certificate_signing_request)
            self._issuer().path(self._now())
            request.check(wanted)
            owner = review.account(await self._review(wanted.token))
            review.allow(owner, wanted.identity, self._terms.control_ns, self._terms.trust_domain)
            # The issuer may have been renewed while the token was being reviewed.
            signed = self._sign(wanted)
        except request.Malformed as error:
            raise grpc.Refusal(grpc.Code.INVALID_ARGUMENT, error.sentence) from error
        except request.Unmet as error:
            raise grpc.Refusal(grpc.Code.FAILED_PRECONDITION, error.sentence) from error
        except issuer.BadIssuer as error:
            self._tell(None, error.sentence)
            raise grpc.Refusal(grpc.Code.UNAVAILABLE, error.sentence) from error
        self._tell(owner, f"certificate for {wanted.identity}, good until {signed.ends:%Y-%m-%d %H:%M:%S} UTC")
        return _response(signed)

    def _issuer(self) -> issuer.Issuer:
        current = self._current()
        if current is None:
            raise issuer.BadIssuer("no issuer is loaded yet")
        return current

    def _sign(self, wanted: request.Request) -> issuer.Signed:
        terms = self._terms
        return issuer.sign(
            self._issuer(),
            wanted.csr,
            wanted.identity,
            now=self._now(),
            lifetime=terms.lifetime,
            skew=terms.skew,
            serial=self._serial(),
        )

    async def _review(self, token: str) -> dict[str, Any]:
        if self._waiting >= QUEUE:
            raise grpc.Refusal(grpc.Code.RESOURCE_EXHAUSTED, f"{QUEUE} requests wait already; come back")
        self._waiting += 1
        try:
            async with self._reviews:
                return await self._ask(review.body(token))
        except IsthmusError as error:
            raise grpc.Refusal(grpc.Code.INTERNAL, f"the token could not be reviewed: {error.sentence}") from error
        finally:
            self._waiting -= 1


def _response(signed: issuer.Signed) -> identity_pb2.CertifyResponse:
    answer = identity_pb2.CertifyResponse(leaf_certificate=signed.leaf, intermediate_certificates=signed.intermediates)
    answer.valid_until.FromDatetime(signed.ends)
    return answer
