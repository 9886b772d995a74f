"""Sign certificates for proxies. In: PEM of issuer, key and trust anchors; a checked request, a clock, chance. Out: a certificate.

Pure: time and the serial number are arguments. A certificate never outlives anything in the chain above it.
Never here: files (see `keeper`), tokens (see `review`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.errors import IsthmusError

COMMON_NAME_LIMIT = 64
CHAIN_LIMIT = 8
"""Certificates in a bundle of intermediates; more is refused."""


class BadIssuer(IsthmusError):
    """Issuer, key and anchors do not make a chain that is valid now."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """What signs. `chain` begins with the issuer and leads towards `anchors`, which it does not contain."""

    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey
    anchors: tuple[x509.Certificate, ...]

    @property
    def ends(self) -> datetime:
        """When the issuer's own certificate ends."""
        return self.chain[0].not_valid_after_utc

    @property
    def anchor_ends(self) -> datetime:
        """When the anchor above it ends: of several that vouch for its chain the one that lasts longest, whether it is valid or not."""
        above = [a for a in self.anchors if any(a == c or _signed(c, a) for c in self.chain)]
        return max((a.not_valid_after_utc for a in above), default=self.ends)

    def path(self, now: datetime) -> tuple[x509.Certificate, ...]:
        """From the issuer to the anchor that vouches for it, anchor included; of several anchors the one that lasts longest.

        Raises:
            BadIssuer: no anchor vouches for it, or something on the way is not valid now.
        """
        path = [self.chain[0]]
        for _ in range(CHAIN_LIMIT):
            _check_authority(path[-1], now)
            above = [a for a in self.anchors if a == path[-1] or _signed(path[-1], a)]
            if above:
                anchor = max(above, key=lambda a: a.not_valid_after_utc)
                _check_authority(anchor, now)
                return tuple(path) if anchor == path[-1] else (*path, anchor)
            parent = next((c for c in self.chain if c not in path and _signed(path[-1], c)), None)
            if parent is None:
                break
            path.append(parent)
        raise BadIssuer(
            f"issuer {_name(self.chain[0])} is not signed by any of the {len(self.anchors)} trust anchors",
            hint="the trust bundle must hold the root it was made under",
        )


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and what comes with it, all DER; `ends` is when it must be renewed by."""

    leaf: bytes
    intermediates: tuple[bytes, ...]
    ends: datetime


def load(certificate: bytes, key: bytes, anchors: bytes, now: datetime) -> Issuer:
    """An issuer from PEM.

    Raises:
        BadIssuer: something cannot be read, does not fit, or is not valid now.
    """
    chain, roots = _certificates("the issuer", certificate), _certificates("the trust bundle", anchors)
    try:
        secret = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadIssuer("the issuer's key is no PEM key without a password") from None
    if not isinstance(secret, ec.EllipticCurvePrivateKey):
        raise BadIssuer("the issuer's key is not ECDSA", hint="make it with ECDSA P-256")
    if secret.public_key() != chain[0].public_key():
        raise BadIssuer(f"the key does not belong to issuer {_name(chain[0])}")
    made = Issuer(chain, secret, roots)
    made.path(now)
    return made


def sign(
    issuer: Issuer,
    csr: x509.CertificateSigningRequest,
    identity: str,
    *,
    now: datetime,
    lifetime: timedelta,
    skew: timedelta,
    serial: int,
) -> Signed:
    """A certificate of the request's key for `identity`, valid from `skew` ago until `lifetime` and `skew` from now, or the chain's end.

    Raises:
        BadIssuer: the issuer is no longer good.
    """
    path = issuer.path(now)
    ends = min([now + lifetime + skew, *(c.not_valid_after_utc for c in path)])
    # A common name has a limit that identities may pass; the DNS name is what is verified.
    fits = len(identity) <= COMMON_NAME_LIMIT
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity)] if fits else [])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    key = csr.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.chain[0].subject)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - skew)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(identity)]), critical=not fits)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    leaf = builder.sign(issuer.key, hashes.SHA256())
    between = [c for c in path if c not in issuer.anchors] or [issuer.chain[0]]
    return Signed(_der(leaf), tuple(_der(c) for c in between), ends.replace(microsecond=0))


def _certificates(what: str, pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        found = x509.load_pem_x509_certificates(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise BadIssuer(f"{what} is no PEM certificate") from None
    return _unique(found)


def _unique(found: Sequence[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    return tuple(dict.fromkeys(found))


def _check_authority(one: x509.Certificate, now: datetime) -> None:
    """Refuse what is not an authority, or not valid now."""
    if now > one.not_valid_after_utc:
        raise BadIssuer(f"certificate {_name(one)} ended {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC")
    if now < one.not_valid_before_utc:
        raise BadIssuer(f"certificate {_name(one)} is not valid before {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC")
    try:
        authority = one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        authority = False
    if not authority:
        raise BadIssuer(f"certificate {_name(one)} is no certificate authority")


def _signed(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _name(one: x509.Certificate) -> str:
    return repr(one.subject.rfc4514_string())


def _der(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.DER)
