"""Certificates for clients of the mesh: proper ones and every wrong kind, signed with the stage's root.

In: the folder with `ca.pem` and `ca.key`. Out: files with chain and key for `ssl`. Never here: connections.
"""

import dataclasses
import datetime
import pathlib
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

DAY = datetime.timedelta(days=1)
BOTH = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@dataclasses.dataclass
class Signer:
    """A certificate that signs others, and what a chain to the root needs after a leaf."""

    cert: x509.Certificate
    key: Any
    above: list[x509.Certificate] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Leaf:
    """What a leaf says. The default is a proper one."""

    names: Sequence[x509.GeneralName]
    common: str | None = None
    starts: datetime.timedelta = -DAY
    ends: datetime.timedelta = DAY
    usage: list[ObjectIdentifier] = dataclasses.field(default_factory=lambda: list(BOTH))
    ca: bool | None = None
    extra: list[tuple[x509.ExtensionType, bool]] = dataclasses.field(default_factory=list)


def root(folder: pathlib.Path) -> Signer:
    cert = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    return Signer(cert, serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None))


def new_root(name: str) -> Signer:
    """A root nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return Signer(_sign(subject, subject, key.public_key(), key, [(x509.BasicConstraints(True, None), True)]), key)


def intermediate(
    above: Signer, *, length: int | None = None, extra: list[tuple[x509.ExtensionType, bool]] | None = None
) -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"intermediate {x509.random_serial_number()}")])
    extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(True, length), True), *(extra or [])]
    cert = _sign(subject, above.cert.subject, key.public_key(), above.key, extensions)
    return Signer(cert, key, [cert, *above.above])


def sign(signer: Signer, leaf: Leaf) -> Signer:
    """The leaf, as a signer so that it can be misused as one."""
    key = ec.generate_private_key(ec.SECP256R1())
    common = [x509.NameAttribute(NameOID.COMMON_NAME, leaf.common)] if leaf.common else []
    extensions: list[tuple[x509.ExtensionType, bool]] = list(leaf.extra)
    if leaf.names:
        extensions.append((x509.SubjectAlternativeName(leaf.names), True))
    if leaf.usage:
        extensions.append((x509.ExtendedKeyUsage(leaf.usage), False))
    if leaf.ca is not None:
        extensions.append((x509.BasicConstraints(leaf.ca, None), True))
    subject = x509.Name(common)
    cert = _sign(subject, signer.cert.subject, key.public_key(), signer.key, extensions, leaf.starts, leaf.ends)
    return Signer(cert, key, [cert, *signer.above])


def _sign(
    subject: x509.Name,
    issuer: x509.Name,
    public: Any,
    key: Any,
    extensions: list[tuple[x509.ExtensionType, bool]],
    starts: datetime.timedelta = -DAY,
    ends: datetime.timedelta = DAY,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(issuer, subject, public, x509.random_serial_number(), now + starts, now + ends)
    for extension, critical in extensions:
        made = made.add_extension(extension, critical)
    return made.sign(key, hashes.SHA256())


def write(file: pathlib.Path, signed: Signer) -> pathlib.Path:
    """Chain and key in one file."""
    pem = b"".join(cert.public_bytes(serialization.Encoding.PEM) for cert in signed.above)
    key = signed.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(pem + key)
    return file
