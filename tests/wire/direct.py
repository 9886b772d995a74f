"""A peer made by hand: certificates of any shape, mesh TLS with ALPN, a transport header, then whatever a test likes.

In: the stage's root, addresses. Out: TLS sockets from the tests' own process, which is outside the pods. Never here: proxies.
"""

import dataclasses
import datetime
import pathlib
import socket
import ssl
import struct
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

ALPN = "transport.l5d.io/v1"
LIMIT = 10.0
Change = Callable[[x509.CertificateBuilder], x509.CertificateBuilder]


@dataclasses.dataclass(frozen=True)
class Shape:
    """What is odd about a certificate; by default nothing."""

    dns: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()
    common: str = ""
    usages: tuple[ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    start: float = -1.0
    end: float = 1.0
    """Days from now."""


def issue(ca: pathlib.Path, shape: Shape, into: pathlib.Path) -> pathlib.Path:
    """A certificate of the root in folder `ca` with its key, as one PEM file."""
    root = x509.load_pem_x509_certificate((ca / "ca.pem").read_bytes())
    signer = serialization.load_pem_private_key((ca / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.NameAttribute(NameOID.COMMON_NAME, shape.common)] if shape.common else []
    builder = (
        x509.CertificateBuilder(root.subject, x509.Name(names), key.public_key(), x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=shape.start))
        .not_valid_after(now + datetime.timedelta(days=shape.end))
        .add_extension(x509.ExtendedKeyUsage(shape.usages), critical=False)
    )
    listed = [*map(x509.DNSName, shape.dns), *map(x509.UniformResourceIdentifier, shape.uris)]
    if listed:
        builder = builder.add_extension(x509.SubjectAlternativeName(listed), critical=False)
    made = builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    into.write_bytes(made + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    return into


def header(port: int, name: str = "", *, http: bool = False) -> bytes:
    """The bytes before everything else on a direct connection."""
    number = bytes([0x08, port & 0x7F | 0x80, port >> 7 & 0x7F | 0x80, port >> 14])
    named = bytes([0x12, len(name)]) + name.encode() if name else b""
    session = b"\x1a\x02\x0a\x00" if http else b""
    body = number + named + session
    return ALPN.encode() + b"\r\n\r\n" + struct.pack(">I", len(body)) + body


def connect(
    ip: str, name: str, anchors: str, own: pathlib.Path | None, *, port: int = 4143, alpn: str = ALPN
) -> ssl.SSLSocket:
    """Mesh TLS with the proxy at `ip`, as the holder of `own`.

    Raises:
        OSError: it is refused at once; a certificate it does not like is told by the first read.
    """
    trust = ssl.create_default_context(cadata=anchors)
    trust.minimum_version = ssl.TLSVersion.TLSv1_3
    trust.set_alpn_protocols([alpn])
    if own:
        trust.load_cert_chain(own)
    plain = socket.create_connection((ip, port), LIMIT)
    return trust.wrap_socket(plain, server_hostname=name)


def ask(conn: ssl.SSLSocket, start: bytes, request: str) -> bytes:
    """The whole answer to one HTTP/1.1 request; empty when the connection ends without one."""
    try:
        conn.sendall(start + request.replace("\n", "\r\n").encode())
        return b"".join(iter(lambda: conn.recv(1 << 16), b""))
    except OSError:
        return b""
