"""What a proxy asks for. In: the fields of a CertifyRequest. Out: a checked signing request, or a refusal with a sentence. Pure.

A request names one identity, in one DNS name and perhaps in the common name, and proves that its sender holds the key. Anything else a
signing request can carry is refused, for it would end up under our signature. Never here: whether the sender may have that identity.
"""

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from isthmus.errors import IsthmusError

CSR_LIMIT = 16 * 1024
TOKEN_LIMIT = 16 * 1024
"""Bytes; a signing request of one name takes about 300, a token about 1,000."""
_DNS = re.compile(r"^(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")


class Malformed(IsthmusError):
    """The request cannot be read (INVALID_ARGUMENT)."""


class Unmet(IsthmusError):
    """The request can be read and must be refused (FAILED_PRECONDITION)."""


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks, with what proof, for a certificate of which key."""

    identity: str
    token: str
    csr: x509.CertificateSigningRequest


def read(identity: str, token: bytes, csr: bytes) -> Request:
    """The fields as values; `csr` is DER.

    Raises:
        Malformed: a field is empty, too long or of the wrong shape.
    """
    for name, value in (("identity", identity), ("token", token), ("certificate_signing_request", csr)):
        if not value:
            raise Malformed(f"{name} is empty")
    if not _DNS.match(identity):
        raise Malformed(f"identity is {identity[:260]!r}, which is no DNS name")
    if len(token) > TOKEN_LIMIT or len(csr) > CSR_LIMIT:
        raise Malformed("token or certificate_signing_request is longer than 16 KiB")
    try:
        return Request(identity, token.decode("ascii"), x509.load_der_x509_csr(csr))
    except UnicodeDecodeError:
        raise Malformed("token is no text") from None
    except (ValueError, UnsupportedAlgorithm):
        raise Malformed("certificate_signing_request is not DER of a PKCS #10 request") from None


def check(request: Request) -> None:
    """Whether the signing request asks for its identity and nothing more, and is signed by its own key.

    Raises:
        Unmet: with what is wrong.
    """
    csr = request.csr
    try:
        key, extensions = csr.public_key(), csr.extensions
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise Unmet(f"the signing request holds a key or extension we do not know: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise Unmet("the key is not ECDSA")
    _check_names(extensions, request.identity)
    commons = [_text(a.value) for a in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if commons not in ([], [""], [request.identity]):
        raise Unmet(f"the common name is {commons[0]!r}, not {request.identity!r}")
    try:
        signed = csr.is_signature_valid
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        signed = False
    if not signed:
        raise Unmet("the signing request is not signed by its own key")


def _check_names(extensions: x509.Extensions, identity: str) -> None:
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise Unmet("the signing request has no DNS name") from None
    others = sorted({type(name).__name__ for name in names if not isinstance(name, x509.DNSName)})
    if others:
        raise Unmet(f"the signing request asks for names other than DNS names: {', '.join(others)}")
    asked = names.get_values_for_type(x509.DNSName)
    if asked != [identity]:
        raise Unmet(f"the signing request asks for {', '.join(asked[:3])}, not for {identity} alone")


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")
