"""Certificates for a run: one anchor, one leaf whose only name is the identity of every proxy in the bench.

In: a folder. Out: `ca.pem`, `leaf.pem` (certificate and key, as HAProxy reads them), and the same parts for our proxies.
P-256 and SHA-256 throughout, as in a cluster. Never here: revocation, rotation.
"""

import datetime as dt
import pathlib
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

IDENTITY = "default.bench.serviceaccount.identity.linkerd.cluster.local"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A root that signs leaves while the bench runs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def sign(self, public: ec.EllipticCurvePublicKey) -> x509.Certificate:
        """A leaf for IDENTITY, good for a day."""
        now = dt.datetime.now(dt.UTC)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, IDENTITY[:60])]))
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(IDENTITY)]), critical=False)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .sign(self.key, hashes.SHA256())
        )


def anchor() -> Anchor:
    """A fresh root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root.linkerd.cluster.local")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Anchor(certificate, key)


def write(folder: pathlib.Path, root: Anchor) -> None:
    """What HAProxy reads."""
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = root.sign(key.public_key())
    form = serialization.PrivateFormat.PKCS8
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    (folder / "ca.pem").write_bytes(root.pem())
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + private)
