"""The certificates an installation stands on. In: files given by flags, what the cluster has, the person's trust folder, a clock.
Out: `Trust` (anchors, issuer) and `Webhook` (the injector's own).

Two clusters can be linked when they share a trust anchor. So an anchor made here is kept, with its key, in the trust folder
(`~/.config/isthmus/trust`, 0600), and the next cluster's issuer is made under it: `isthmus install` twice is enough to link.
Never here: making anchors and issuers (see `anchor`), printing, the cluster (see `state`).
"""

import datetime as dt
import fcntl
import os
import pathlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.errors import BadValue, IsthmusError
from isthmus.install import anchor

WEBHOOK_DAYS = 365
RENEW_DAYS = 60
"""A webhook certificate with less left is made anew at the next install or upgrade; `check` warns from here on."""
BACKDATE = dt.timedelta(minutes=5)
ANCHOR_FILE, KEY_FILE = "ca.crt", "ca.key"


@dataclass(frozen=True, slots=True)
class Trust:
    """PEM texts: the anchors every proxy trusts, the issuer's certificate and key. `origin` says in words where they came from."""

    anchors: str
    issuer: str
    key: str
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Webhook:
    """PEM texts: the authority the API server is told, the injector's certificate and key."""

    authority: str
    certificate: str
    key: str


@dataclass(frozen=True, slots=True)
class Files:
    """Certificates given by flags; all three or none."""

    anchors: str | None = None
    issuer: str | None = None
    key: str | None = None

    def given(self) -> bool:
        """Whether the person brings their own; refuses one or two of the three."""
        found = [self.anchors, self.issuer, self.key]
        if any(found) and not all(found):
            flags = (
                "--identity-trust-anchors-file ca.crt --identity-issuer-certificate-file issuer.crt "
                "--identity-issuer-key-file issuer.key"
            )
            raise BadValue("--identity-*-file", "incomplete", flags, why="give all three or none")
        return all(found)


def default_folder() -> pathlib.Path:
    """`$ISTHMUS_TRUST_DIR`, else `isthmus/trust` in the person's configuration folder."""
    if given := os.environ.get("ISTHMUS_TRUST_DIR"):
        return pathlib.Path(given)
    return pathlib.Path(os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config") / "isthmus" / "trust"


def settle(
    files: Files, kept: Trust | None, folder: pathlib.Path, *, now: dt.datetime, trust_domain: str, control_ns: str
) -> Trust:
    """The installation's certificates: the flags', else the cluster's, else a new issuer under the folder's anchor, made when missing.

    A cluster's issuer with less than RENEW_DAYS left is made anew where the folder holds its anchor.

    Raises:
        BadValue: a file is missing or no certificate, or some but not all files are given.
        IsthmusError: issuer, key and anchors do not belong together, or are not valid now.
    """
    if files.given():
        found = Trust(
            _read("anchors", files.anchors),
            _read("issuer", files.issuer),
            _read("key", files.key),
            origin="the files you gave",
        )
        problem = anchor.problem(found.anchors, found.issuer, found.key, now)
        if problem:
            raise IsthmusError(
                problem, hint="give a CA certificate (ECDSA P-256) signed by one of the anchors, and its key"
            )
        return found
    if kept is not None:
        return _renewed(kept, folder, now=now, trust_domain=trust_domain, control_ns=control_ns) or kept
    with _locked(folder):
        root, key, made = _folder_anchor(folder, now, trust_domain)
    issuer, issuer_key = anchor.issuer(root, key, trust_domain=trust_domain, control_ns=control_ns, now=now)
    origin = f"a new trust anchor, kept in {folder} for the next cluster" if made else f"the trust anchor in {folder}"
    return Trust(root, issuer, issuer_key, origin=origin)


def _renewed(
    kept: Trust, folder: pathlib.Path, *, now: dt.datetime, trust_domain: str, control_ns: str
) -> Trust | None:
    """A new issuer for a cluster whose own ends soon, where the folder holds the anchor it stands under; else None."""
    if anchor.days_left(kept.issuer, now) >= RENEW_DAYS or not (folder / ANCHOR_FILE).exists():
        return None
    with _locked(folder):
        root, key, _ = _folder_anchor(folder, now, trust_domain)
    if root.strip() not in kept.anchors:
        return None
    issuer, issuer_key = anchor.issuer(root, key, trust_domain=trust_domain, control_ns=control_ns, now=now)
    return Trust(
        kept.anchors,
        issuer,
        issuer_key,
        origin=f"a new issuer under the trust anchor in {folder}; the old one ends soon",
    )


def _read(what: str, path: str | None) -> str:
    flag = {
        "anchors": "--identity-trust-anchors-file",
        "issuer": "--identity-issuer-certificate-file",
        "key": "--identity-issuer-key-file",
    }[what]
    try:
        return pathlib.Path(path or "").read_text()
    except (OSError, UnicodeDecodeError) as failed:
        raise BadValue(
            flag, path, f"{flag} ./{what}.pem", why=str(getattr(failed, "strerror", "") or "not text")
        ) from None


@contextmanager
def _locked(folder: pathlib.Path) -> Generator[None]:
    """One installation at a time looks into the folder: two at once would make two anchors, which could not be linked."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as failed:
        raise IsthmusError(
            f"the trust folder {folder} cannot be used: {failed.strerror}", hint="name another: --trust-dir ./trust"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _folder_anchor(folder: pathlib.Path, now: dt.datetime, trust_domain: str) -> tuple[str, str, bool]:
    """The folder's anchor and key, and whether they were made just now."""
    certificate, key = folder / ANCHOR_FILE, folder / KEY_FILE
    hint = f"mend it, or name another folder: --trust-dir ./trust (moving {folder} away makes a new anchor)"
    if certificate.exists() != key.exists():
        raise IsthmusError(
            f"the trust folder {folder} lacks {KEY_FILE if certificate.exists() else ANCHOR_FILE}", hint=hint
        )
    if certificate.exists():
        try:
            found, secret = certificate.read_text(), key.read_text()
        except (OSError, UnicodeDecodeError) as failed:
            raise IsthmusError(f"the trust anchor in {folder} cannot be read: {failed}", hint=hint) from None
        problem = anchor.problem(found, found, secret, now)
        if problem:
            raise IsthmusError(f"the trust anchor in {folder} cannot be used: {problem}", hint=hint)
        return found, secret, False
    made, secret = anchor.root(trust_domain=trust_domain, now=now)
    _write(key, secret)
    _write(certificate, made)
    return made, secret, True


def _write(path: pathlib.Path, text: str) -> None:
    """Whole or not at all, for its owner alone."""
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)


def webhook(kept: Webhook | None, control_ns: str, *, now: dt.datetime) -> Webhook:
    """The injector's certificate."""
    return serving(kept, "linkerd-proxy-injector", control_ns, now=now)


def serving(kept: Webhook | None, service: str, namespace: str, *, now: dt.datetime) -> Webhook:
    """A certificate by which the API server knows a Service it calls.

    The one that is there while that is good for RENEW_DAYS, else a new one under an authority made for it alone.

    The authority's key is dropped at once: nothing else can be signed with it. The authority before stays in the bundle, since the
    server goes on with its old certificate until its mounted Secret follows, which takes a minute or two.
    """
    if kept is not None and anchor.days_left(kept.certificate, now) >= RENEW_DAYS:
        return kept
    authority_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    host = f"{service}.{namespace}.svc"
    title = _named(f"{service} authority")
    authority = (
        _certificate(title, title, authority_key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        _certificate(_named(host), title, leaf_key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = leaf_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Webhook(_pem(authority) + _before(kept), _pem(leaf), secret.decode())


def _before(kept: Webhook | None) -> str:
    """The newest authority of an earlier certificate."""
    if kept is None:
        return ""
    try:
        return _pem(x509.load_pem_x509_certificates(kept.authority.encode())[0])
    except ValueError:
        return ""


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(now + dt.timedelta(days=WEBHOOK_DAYS))
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
