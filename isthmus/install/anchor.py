"""Trust anchors and issuers. In: names, a clock, PEM texts. Out: PEM texts, or the sentence that says what is wrong with them.

Both are ECDSA P-256 authorities. Never here: files (see `trust`), leaf certificates (see `isthmus.identity`).
"""

import datetime as dt

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

YEARS = 10
"""Validity of an anchor made here."""
ISSUER_DAYS = 365
BACKDATE = dt.timedelta(minutes=5)
"""Clocks of clusters differ: a certificate made now must be valid where it is a little earlier."""


def root(*, trust_domain: str, now: dt.datetime) -> tuple[str, str]:
    """A new anchor and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _named(f"root.linkerd.{trust_domain}")
    made = _authority(name, name, key, now, dt.timedelta(days=365 * YEARS), path=1).sign(key, hashes.SHA256())
    return _pem(made), _key_pem(key)


def issuer(anchor: str, anchor_key: str, *, trust_domain: str, control_ns: str, now: dt.datetime) -> tuple[str, str]:
    """A new issuer under an anchor, and its key; it never outlives the anchor."""
    parent = x509.load_pem_x509_certificates(anchor.encode())[0]
    signer = serialization.load_pem_private_key(anchor_key.encode(), None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise TypeError("problem() lets only ECDSA keys pass")
    key = ec.generate_private_key(ec.SECP256R1())
    lifetime = min(dt.timedelta(days=ISSUER_DAYS), parent.not_valid_after_utc - now)
    name = _named(f"identity.{control_ns}.{trust_domain}")
    return _pem(_authority(name, parent.subject, key, now, lifetime, path=0).sign(signer, hashes.SHA256())), _key_pem(
        key
    )


def problem(anchors: str, certificate: str, key: str, now: dt.datetime) -> str:
    """What is wrong with an issuer, its key and the anchors it should stand under; empty when nothing is."""
    try:
        bundle = x509.load_pem_x509_certificates(anchors.encode())
    except ValueError:
        return "the trust anchors are no PEM certificates"
    try:
        chain = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        return "the issuer's certificate is no PEM certificate"
    try:
        secret = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        return "the issuer's key is no PEM key without a password"
    own = chain[0]
    if not isinstance(secret, ec.EllipticCurvePrivateKey) or secret.public_key() != own.public_key():
        return "the issuer's key does not belong to its certificate, or is not ECDSA"
    for one in (own, *bundle):
        said = _unfit(one, now)
        if said:
            return said
    return "" if _stands(chain, bundle) else "the issuer's certificate is not signed by any of the trust anchors"


def days_left(certificate: str, now: dt.datetime) -> float:
    """Days until the first of PEM certificates ends; below zero when one has, or is none."""
    try:
        found = x509.load_pem_x509_certificates(certificate.encode())
    except ValueError:
        return -1.0
    return min((one.not_valid_after_utc - now) / dt.timedelta(days=1) for one in found)


def _unfit(one: x509.Certificate, now: dt.datetime) -> str:
    name = one.subject.rfc4514_string()
    if one.not_valid_after_utc < now:
        return f"certificate {name} ended {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    if one.not_valid_before_utc > now:
        return f"certificate {name} is not valid before {one.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
    try:
        authority = one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        authority = False
    return "" if authority else f"certificate {name} is no certificate authority"


def _stands(chain: list[x509.Certificate], anchors: list[x509.Certificate]) -> bool:
    """Whether the first of `chain` leads, through the rest of it, to one of the anchors."""
    own, *between = chain
    for _ in range(len(chain)):
        if any(own == a or _signed(own, a) for a in anchors):
            return True
        parent = next((one for one in between if _signed(own, one)), None)
        if parent is None:
            return False
        own = parent
    return False


def _signed(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _authority(
    subject: x509.Name,
    parent: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
    lifetime: dt.timedelta,
    *,
    path: int,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def signed_by(certificate: str, authorities: str) -> bool:
    """Whether one of `authorities` signed `certificate`; both PEM."""
    try:
        own = x509.load_pem_x509_certificate(certificate.encode())
        return any(_signed(own, one) for one in x509.load_pem_x509_certificates(authorities.encode()))
    except ValueError:
        return False
