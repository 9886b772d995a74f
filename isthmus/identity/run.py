"""The process `isthmus control identity`: mounted issuer > keeper > api, on port 8080. In: its flags. Out: an exit code.

Ready when an issuer is loaded and the API server lets us review tokens. Never here: decisions about requests.
"""

import argparse
import asyncio
import pathlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import prometheus_client

from isthmus import names, units
from isthmus.errors import IsthmusError
from isthmus.identity import api, events, keeper, review
from isthmus.kube import access
from isthmus.kube import client as kube
from isthmus.serve import grpc, plane, runtime

ADMIN_PORT = 9990
ISSUER_DIR = "/var/run/linkerd/identity/issuer"
ROOTS_DIR = "/var/run/linkerd/identity/trust-roots"
ADDRESS = f"[::]:{names.IDENTITY_PORT}"
RIGHTS_RETRY = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told. Lifetime and skew in seconds."""

    control_ns: str = names.CONTROL_NS
    trust_domain: str = names.CLUSTER_DOMAIN
    issuer_dir: str = ISSUER_DIR
    roots_dir: str = ROOTS_DIR
    lifetime: float = 24 * 3600.0
    clock_skew: float = 20.0
    address: str = ADDRESS
    admin_port: int = ADMIN_PORT
    log_level: str = "info"

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        """Flags as values; a wrong one ends with a sentence."""
        parser = argparse.ArgumentParser(prog="isthmus control identity")
        parser.add_argument("--control-namespace", dest="control_ns", default=names.CONTROL_NS)
        parser.add_argument("--trust-domain", default=names.CLUSTER_DOMAIN)
        parser.add_argument(
            "--issuer-dir", default=ISSUER_DIR, help="folder with crt.pem and key.pem, or tls.crt and tls.key"
        )
        parser.add_argument("--roots-dir", default=ROOTS_DIR, help=f"folder with {keeper.ROOTS}")
        parser.add_argument("--lifetime", default="24h", help="of a certificate")
        parser.add_argument("--clock-skew", default="20s", help="between proxies, added on both ends")
        parser.add_argument("--address", default=ADDRESS)
        parser.add_argument("--admin-port", type=int, default=ADMIN_PORT)
        parser.add_argument("--log-level", default="info")
        found = vars(parser.parse_args(list(arguments)))
        found["lifetime"] = units.duration(found["lifetime"], key="--lifetime", example='"24h"')
        found["clock_skew"] = units.duration(found["clock_skew"], key="--clock-skew", example='"20s"')
        return cls(**found)


def main(options: Options) -> int:
    """Runs until it is told to stop."""

    async def start(process: runtime.Runtime) -> None:
        await serve(process, options, kube.Client(access.load()))

    return runtime.main("identity", start, admin_port=options.admin_port, log_level=options.log_level)


async def serve(process: runtime.Runtime, options: Options, client: kube.Client) -> grpc.Server:
    """Wire the parts and listen."""
    teller = events.Teller(client)
    deployment = events.Subject("apps/v1", "Deployment", options.control_ns, "linkerd-identity")

    def on_issuer(reason: str, sentence: str) -> None:
        process.log.info("issuer", reason=reason, what=sentence)
        teller.tell(deployment, reason, sentence, warning=reason != "IssuerUpdated", now=_now())

    def on_answer(owner: names.Key | None, sentence: str) -> None:
        if owner is None:
            process.log.error("issuer no longer good", why=sentence)
            teller.tell(deployment, "IssuerValidationFailed", sentence, warning=True, now=_now())
            return
        process.log.debug("certificate", account=str(owner), what=sentence)
        account = events.Subject("v1", "ServiceAccount", owner.namespace, owner.name)
        teller.tell(account, "IssuedLeafCertificate", sentence, warning=False, now=_now())

    kept = keeper.Keeper(pathlib.Path(options.issuer_dir), pathlib.Path(options.roots_dir), on_issuer, _now)
    measure(process.registry, kept)

    async def ask(body: dict[str, Any]) -> dict[str, Any]:
        return await client.raw("POST", review.PATH, body)

    terms = api.Terms(
        options.control_ns,
        options.trust_domain,
        timedelta(seconds=options.lifetime),
        timedelta(seconds=options.clock_skew),
    )
    answers = api.Identity(
        terms, lambda: kept.current, ask, now=_now, serial=_serial, tell=on_answer, registry=process.registry
    )
    allowed = asyncio.Event()
    process.ready_when("issuer", lambda: kept.current is not None)
    process.ready_when("right to review tokens", allowed.is_set)
    process.spawn(kept.run(), name="issuer")
    process.spawn(teller.run(), name="events")
    process.spawn(_rights(client, process, allowed), name="rights")
    server = await grpc.serve([answers.service()], options.address)
    process.closing(server.stop)
    process.log.info("listening", address=options.address, lifetime=units.print_duration(options.lifetime))
    return server


def measure(registry: prometheus_client.CollectorRegistry, kept: keeper.Keeper) -> None:
    """Gauges, read when asked."""
    rows: list[tuple[str, str, Callable[[], float]]] = [
        ("issuer_cert_ttl_seconds", "Seconds until the issuer's certificate ends.", kept.ttl),
        ("trust_anchor_ttl_seconds", "Seconds until the trust anchor above the issuer ends.", kept.anchor_ttl),
    ]
    plane.gauges(registry, rows)


async def _rights(client: kube.Client, process: runtime.Runtime, allowed: asyncio.Event) -> None:
    """Ask whether we may review tokens until the answer is yes."""
    right = {"group": "authentication.k8s.io", "resource": "tokenreviews", "verb": "create"}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": right},
    }
    while not allowed.is_set():
        try:
            answer = await client.raw("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
            if answer.get("status", {}).get("allowed"):
                allowed.set()
                return
            process.log.warning("no right to create tokenreviews", hint="is the ClusterRoleBinding there?")
        except IsthmusError as error:
            process.log.warning("rights unknown", why=error.sentence)
        await asyncio.sleep(RIGHTS_RETRY)


def _now() -> datetime:
    return datetime.now(UTC)


def _serial() -> int:
    return secrets.randbits(128) or 1
