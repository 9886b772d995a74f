"""Make and take away what a link needs in two clusters. In: a source, a target, and choices. Out: documents, applied or shown.

Everything is checked before anything is changed (`checks`), and each refusal is a sentence with what to do. Never here: words to
people beyond those sentences (see `isthmus.cli.clusters`), mirroring (see `shell.mirror`).
"""

import asyncio
import ipaddress
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from lightkube.resources.core_v1 import ConfigMap, Namespace, Secret, Service, ServiceAccount
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names, units
from isthmus.errors import BadValue, IsthmusError
from isthmus.kube import access, crds
from isthmus.kube import client as kube
from isthmus.multicluster import objects
from isthmus.multicluster.shell import target as targets

TOKEN_LOOK = 0.2
"""Seconds between two looks at a Secret that Kubernetes is about to fill."""
TOKEN_SECONDS = 7 * 86_400
"""Life of a link's token. The controller renews it after a third; a target may be away for the rest and the link still comes back."""

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Survey:
    """What a link has to know of a cluster. `name` is the context it is reached by; `uid` that of its kube-system namespace, which no two
    clusters share; `anchors` are SHA-256 fingerprints of its trust anchors; `installed` whether the multicluster namespace is there.
    """

    name: str
    uid: str
    domain: str
    trust_domain: str
    anchors: frozenset[str]
    installed: bool
    server: str
    ca: bytes


@dataclass(frozen=True, slots=True)
class Gateway:
    """A target's gateway as its Service describes it; ports and durations as the Link's text wants them."""

    addresses: tuple[str, ...]
    port: int
    identity: str
    probe: dict[str, str]


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person may choose for a link; None or empty means: find out. `cluster` is what the source calls the target,
    `source` what the target calls the source; neither need be a context's name.
    """

    cluster: str
    source: str = ""
    server: str | None = None
    gateway_name: str = "linkerd-gateway"
    gateway_namespace: str = names.MULTICLUSTER_NS
    gateway_addresses: tuple[str, ...] = ()
    gateway_port: int | None = None
    selector: Doc | None = None
    excluded_labels: tuple[str, ...] = ()
    excluded_annotations: tuple[str, ...] = ()
    control_ns: str = names.CONTROL_NS
    namespace: str = names.MULTICLUSTER_NS


async def survey(name: str, client: kube.Client, here: access.Access, control_ns: str, namespace: str) -> Survey:
    """Looks at one cluster.

    Raises:
        IsthmusError: it runs no control plane, or its trust anchors cannot be read. Unreachable: it does not answer.
    """
    uid = await uid_of(client)
    config, roots, place = await asyncio.gather(
        client.get(ConfigMap, "linkerd-config", control_ns),
        client.get(ConfigMap, "linkerd-identity-trust-roots", control_ns),
        client.get(Namespace, namespace),
    )
    if config is None or roots is None:
        raise IsthmusError(
            f"cluster {name!r} runs no control plane in namespace {control_ns!r}",
            hint=f"isthmus install --apply --context {name}",
        )
    values = _values(config)
    domain = str(values.get("clusterDomain") or names.CLUSTER_DOMAIN)
    return Survey(
        name=name,
        uid=uid,
        domain=domain,
        trust_domain=str(values.get("identityTrustDomain") or domain),
        anchors=anchors(cast(Mapping[str, str], roots.data or {}).get("ca-bundle.crt", ""), name),
        installed=place is not None and (place.metadata is None or place.metadata.deletionTimestamp is None),
        server=here.server,
        ca=here.ca(),
    )


async def uid_of(client: kube.Client) -> str:
    """What no two clusters share."""
    system = await client.get(Namespace, "kube-system")
    return (system.metadata.uid or "") if system is not None and system.metadata else ""


def _values(config: ConfigMap) -> Mapping[str, Any]:
    try:
        found: Any = yaml.safe_load(cast(Mapping[str, str], config.data or {}).get("values", "")) or {}
    except yaml.YAMLError:
        found = {}
    return cast(Mapping[str, Any], found) if isinstance(found, Mapping) else {}


def anchors(bundle: str, name: str) -> frozenset[str]:
    """Fingerprints of the certificates in a PEM bundle."""
    try:
        found = x509.load_pem_x509_certificates(bundle.encode())
    except ValueError as error:
        raise IsthmusError(
            f"the trust anchors of cluster {name!r} cannot be read: {error}",
            hint="look at ConfigMap linkerd-identity-trust-roots, key ca-bundle.crt",
        ) from error
    return frozenset(certificate.fingerprint(hashes.SHA256()).hex() for certificate in found)


def checks(source: Survey, target: Survey, choices: Choices, existing: str | None) -> None:
    """Refuses a link that could not work or would harm another. `existing`: the target uid of a Link that has the name already.

    Raises:
        IsthmusError: with the first reason, and what to do.
    """
    names_of_both(choices)
    if source.uid and source.uid == target.uid:
        raise IsthmusError(
            f"{source.name!r} and {target.name!r} are the same cluster; a cluster is not linked to itself",
            hint="give two contexts of two clusters; `kubectl config get-contexts` lists them",
        )
    if choices.source == choices.cluster:
        raise BadValue(
            "the target's name", choices.cluster, f"--cluster-name {choices.cluster}-2", why="the source has it already"
        )
    for one in (source, target):
        if not one.installed:
            raise IsthmusError(
                f"cluster {one.name!r} has no namespace {choices.namespace!r}: its multicluster part is not installed",
                hint=f"isthmus install --apply --context {one.name}",
            )
    if not source.anchors & target.anchors:
        raise IsthmusError(
            f"clusters {source.name!r} and {target.name!r} share no trust anchor, so neither could verify the other's workloads",
            hint="install both with the same --identity-trust-anchors-file, or give each the other's anchor beside its own",
        )
    if existing is not None and existing != target.uid:
        raise IsthmusError(
            f"cluster {source.name!r} has a Link {choices.cluster!r} already, and it leads to another cluster",
            hint=f"choose another name (--cluster-name), or `isthmus unlink {source.name} TARGET "
            f"--cluster-name {choices.cluster} --apply` first",
        )


def names_of_both(choices: Choices) -> None:
    """Refuses names that objects could not have.

    Raises:
        BadValue: which, and the flag that gives another.
    """
    units.dns_label(choices.cluster, key="the target's name (TARGET, or --cluster-name)")
    key = "the source's name (SOURCE, or --source-name)"
    units.dns_label(choices.source, key=key)
    if len(objects.account_name(choices.source)) > 63:
        raise BadValue(key, choices.source, "--source-name east", why="too long to name an account after")


async def existing_link(client: kube.Client, choices: Choices) -> str | None:
    """The target uid of the Link that has the name, None where there is none; a Link that does not tell is nobody's ("")."""
    found = await client.get(crds.Link, choices.cluster, choices.namespace)
    if found is None:
        return None
    notes = cast(Mapping[str, str], (found.metadata.annotations if found.metadata else None) or {})
    return notes.get(objects.TARGET_UID, "")


async def check_account(client: kube.Client, source: Survey, choices: Choices) -> bool:
    """Whether this source's account is in the target already.

    Raises:
        IsthmusError: it is there and belongs to another source of the same name.
    """
    name = objects.account_name(choices.source)
    found = await client.get(ServiceAccount, name, choices.namespace)
    if found is None:
        return False
    notes = cast(Mapping[str, str], (found.metadata.annotations if found.metadata else None) or {})
    if notes.get(objects.SOURCE_UID, source.uid) != source.uid:
        raise IsthmusError(
            f"the target knows another source by the name {choices.source!r} (ServiceAccount {choices.namespace}/{name})",
            hint=f"give this source another name: --source-name {choices.source}-2",
        )
    return True


async def gateway(client: kube.Client, target: Survey, choices: Choices) -> Gateway:
    """The target's gateway.

    Raises:
        IsthmusError: it is missing, or has no address to link to.
    """
    where = f"{choices.gateway_namespace}/{choices.gateway_name} of cluster {target.name!r}"
    found = await client.get(Service, choices.gateway_name, choices.gateway_namespace)
    if found is None:
        raise IsthmusError(
            f"gateway Service {where} does not exist",
            hint=f"isthmus multicluster install --context {target.name} --apply",
        )
    return describe(found, where, target, choices)


def describe(found: Service, where: str, target: Survey, choices: Choices) -> Gateway:
    """Reads a gateway Service; pure."""
    notes = cast(Mapping[str, str], (found.metadata.annotations if found.metadata else None) or {})
    node_port = found.spec is not None and found.spec.type == "NodePort"
    ports = {
        p.name: (p.nodePort if node_port and p.nodePort else p.port)
        for p in (found.spec.ports if found.spec else None) or ()
    }
    balancer = found.status.loadBalancer if found.status else None
    ingress = (balancer.ingress if balancer else None) or ()
    addresses = choices.gateway_addresses or tuple(a for i in ingress if (a := i.ip or i.hostname))
    if not addresses:
        raise IsthmusError(
            f"gateway Service {where} has no address yet",
            hint="wait until its EXTERNAL-IP is set, or give one: --gateway-addresses 192.0.2.7",
        )
    identity = notes.get(names.GATEWAY_IDENTITY) or names.identity(
        "linkerd-gateway", choices.gateway_namespace, choices.control_ns, target.trust_domain
    )
    period = notes.get(names.PROBE_PERIOD, "3").removesuffix("s")
    probe = {
        "path": notes.get(names.PROBE_PATH, "/ready"),
        "port": str(ports.get("mc-probe") or names.ADMIN_PORT),
        "period": f"{period}s",
        "timeout": notes.get("mirror.linkerd.io/probe-timeout", "5s"),
        "failureThreshold": notes.get("mirror.linkerd.io/probe-failure-threshold", "3"),
    }
    port = choices.gateway_port or ports.get("mc-gateway") or names.INBOUND_PORT
    return Gateway(addresses, port, identity, probe)


async def api_server(client: kube.Client, target: Survey, choices: Choices) -> tuple[str, bytes]:
    """Where the source reaches the target's API, and the CA to trust there.

    A context that leads to this machine's loopback (a tunnel, a lab's relay) is of no use to pods in another cluster; then it is the
    address the API server itself advertises in EndpointSlice default/kubernetes.
    """
    if choices.server:
        url = choices.server if "://" in choices.server else f"https://{choices.server}"
        if not urllib.parse.urlsplit(url).hostname:
            raise BadValue("--api-server-address", choices.server, '"https://192.0.2.7:6443"', why="not an address")
        return url, await _cluster_ca(client, target, choices)
    if not loopback(target.server):
        return target.server, target.ca or await _cluster_ca(client, target, choices)
    found = await client.get(EndpointSlice, "kubernetes", "default")
    addresses = [ip for e in (found.endpoints if found else None) or () for ip in e.addresses]
    ports = [p.port for p in (found.ports if found else None) or () if p.port]
    if not addresses or not ports:
        raise IsthmusError(
            f"the API server of cluster {target.name!r} is known here as {target.server} only, where no other cluster finds it",
            hint="give an address the source can reach: --api-server-address https://192.0.2.7:6443",
        )
    host = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
    return f"https://{host}:{ports[0]}", await _cluster_ca(client, target, choices)


def loopback(server: str) -> bool:
    """Whether a URL leads to the machine it is used on."""
    host = urllib.parse.urlsplit(server).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


async def _cluster_ca(client: kube.Client, target: Survey, choices: Choices) -> bytes:
    """The CA pods of the target trust their API server by."""
    found = await client.get(ConfigMap, "kube-root-ca.crt", choices.namespace)
    text = cast(Mapping[str, str], (found.data if found else None) or {}).get("ca.crt", "")
    return text.encode() or target.ca


def source_documents(
    target: Survey,
    to: Gateway,
    choices: Choices,
    account: str,
    server: str,
    ca: bytes,
    token: str,
    *,
    more: Doc | None = None,
) -> list[Doc]:
    """The Secret and the Link, in the order to apply them."""
    config = objects.kubeconfig(
        cluster=choices.cluster, server=server, ca=ca, token=token, account=account, namespace=choices.namespace
    )
    secret = objects.credentials(
        choices.cluster, config, account=account, namespace=choices.namespace, domain=target.domain
    )
    made = objects.link(
        choices.cluster,
        gateway=to.addresses,
        gateway_port=to.port,
        gateway_identity=to.identity,
        probe=to.probe,
        namespace=choices.namespace,
        control_ns=choices.control_ns,
        domain=target.domain,
        selector=choices.selector,
        excluded_labels=choices.excluded_labels,
        excluded_annotations=choices.excluded_annotations,
        target_uid=target.uid,
        more=more,
    )
    return [secret, made]


def target_documents(source: Survey, choices: Choices) -> list[Doc]:
    """What the target grants this source."""
    return objects.remote_access(
        objects.account_name(choices.source),
        source=choices.source,
        source_uid=source.uid,
        namespace=choices.namespace,
        control_ns=choices.control_ns,
    )


async def issue_token(client: kube.Client, account: str, choices: Choices) -> str:
    """A token of `account` that ends in TOKEN_SECONDS (the target may shorten that)."""
    return await targets.new_token(client, account, TOKEN_SECONDS, choices.namespace)


async def held_token(client: kube.Client, account: str, choices: Choices, *, patience: float = 10.0) -> str | None:
    """The token without expiry in Secret `<account>-token`, which `link-gen` uses for sources that do not renew; None: there is none.

    Kubernetes fills a new Secret after a moment: for that it is asked again for `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while found := await client.get(Secret, f"{account}-token", choices.namespace):
        if text := cast(Mapping[str, str], found.data or {}).get("token"):
            return targets.decode(text)
        if loop.time() >= until:
            break
        await asyncio.sleep(TOKEN_LOOK)
    return None


async def apply(client: kube.Client, documents: Sequence[Doc]) -> None:
    for document in documents:
        await client.apply_dict(document)
