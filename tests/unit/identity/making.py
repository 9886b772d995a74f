"""Certificates and requests for tests, right and wrong ones."""

import datetime as dt
import ipaddress
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

NOW = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
WHO = "web.shop.serviceaccount.identity.linkerd.cluster.local"
DAY = dt.timedelta(days=1)
EC = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else [])


class Authority:
    """A certificate that may sign others, and its key."""

    def __init__(
        self,
        name: str,
        above: "Authority | None" = None,
        *,
        days: float = 365,
        starts: float = -1,
        ca: bool = True,
        key: Any = None,
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(named(name))
            .issuer_name(above.certificate.subject if above else named(name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + DAY * starts)
            .not_valid_after(NOW + DAY * days)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        self.certificate = builder.sign(above.key if above else self.key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


ROOT = Authority("root", days=3650)
ISSUER = Authority("issuer", ROOT)


def csr(*names: x509.GeneralName, common: str = "", key: Any = EC, default: bool = True) -> bytes:
    """A signing request in DER; for WHO alone when no names are given."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(common))
    wanted = names or ((x509.DNSName(WHO),) if default else ())
    if wanted:
        builder = builder.add_extension(x509.SubjectAlternativeName(wanted), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def tampered() -> bytes:
    """A request whose signature is of other bytes."""
    whole = bytearray(csr())
    whole[-1] ^= 1
    return bytes(whole)


IP = x509.IPAddress(ipaddress.ip_address("10.0.0.1"))
MAIL = x509.RFC822Name("a@b.c")
URI = x509.UniformResourceIdentifier("spiffe://a/b")
