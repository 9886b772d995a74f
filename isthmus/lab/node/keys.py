"""Keys, certificates, tokens and kubeconfigs of a cluster. In: a `Cluster`, the time. Out: files under its `pki/` and `*.kubeconfig`.

Users are told apart by client certificate (the administrator) or by one random token each (the components), with the names that
Kubernetes' built-in roles are bound to. Everything lives for 30 days and is made anew at every `up`.
Never here: the mesh's own trust anchor.
"""

import base64
import datetime as dt
import ipaddress
import json
import pathlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from isthmus.lab import layout

LIFE = dt.timedelta(days=30)
COMPONENTS = ("kube-controller-manager", "kube-scheduler", "kube-proxy")


class Authority:
    """A certificate authority with a P-256 key; `name` becomes NAME.crt and NAME.key."""

    def __init__(self, folder: pathlib.Path, name: str, now: dt.datetime) -> None:
        self.folder, self.now = folder, now
        self.key = _key(folder / f"{name}.key")
        self.subject = _name([(NameOID.COMMON_NAME, name)])
        made = _builder(self.subject, self.subject, self.key, now)
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(_usage(sign=True), critical=True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        self.pem = _write(folder / f"{name}.crt", made.sign(self.key, hashes.SHA256()))

    def issue(self, name: str, common: str, *, group: str = "", san: tuple[str, ...] = ()) -> None:
        """NAME.crt and NAME.key: a server certificate where there are `san`s (DNS names and addresses), else a client one."""
        key = _key(self.folder / f"{name}.key")
        subject = _name([(NameOID.ORGANIZATION_NAME, group)] * bool(group) + [(NameOID.COMMON_NAME, common)])
        usage = ExtendedKeyUsageOID.SERVER_AUTH if san else ExtendedKeyUsageOID.CLIENT_AUTH
        made = _builder(subject, self.subject, key, self.now)
        made = made.add_extension(_usage(sign=False), critical=True)
        made = made.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        made = made.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        if san:
            made = made.add_extension(x509.SubjectAlternativeName([_san(name) for name in san]), critical=False)
        _write(self.folder / f"{name}.crt", made.sign(self.key, hashes.SHA256()))


def make(cluster: layout.Cluster, now: dt.datetime) -> None:
    """All keys and kubeconfigs of a cluster."""
    folder = cluster.dir / "pki"
    folder.mkdir(parents=True, exist_ok=True)
    ca, front = Authority(folder, "ca", now), Authority(folder, "front-proxy-ca", now)
    hosts = ["kubernetes", "localhost"] + ["kubernetes.default" + more for more in ("", ".svc", ".svc.cluster.local")]
    ca.issue("apiserver", "kube-apiserver", san=(*hosts, "127.0.0.1", cluster.wan, cluster.api_vip))
    ca.issue("admin", "admin", group="system:masters")
    ca.issue("apiserver-kubelet", "kube-apiserver-kubelet-client", group="system:masters")
    front.issue("front-proxy", "front-proxy-client")
    accounts = _key(folder / "sa.key")
    public = accounts.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / "sa.pub").write_bytes(public)
    _tokens(cluster)
    _private(cluster.admin, json.dumps(kubeconfig(cluster, cluster.server, admin(cluster))))


def admin(cluster: layout.Cluster) -> dict[str, str]:
    """The `user` entry of the administrator."""
    folder = cluster.dir / "pki"
    return {"client-certificate-data": _b64(folder / "admin.crt"), "client-key-data": _b64(folder / "admin.key")}


def kubeconfig(cluster: layout.Cluster, server: str, user: dict[str, str]) -> dict[str, object]:
    """A kubeconfig with one context, named as the cluster."""
    ca = _b64(cluster.dir / "pki/ca.crt")
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster.name,
        "clusters": [{"name": cluster.name, "cluster": {"server": server, "certificate-authority-data": ca}}],
        "users": [{"name": cluster.name, "user": user}],
        "contexts": [{"name": cluster.name, "context": {"cluster": cluster.name, "user": cluster.name}}],
    }


def _tokens(cluster: layout.Cluster) -> None:
    users = [(f"system:{part}", "", part) for part in COMPONENTS] + [
        (f"system:node:{cluster.name}", "system:nodes", "kubelet")
    ]
    lines: list[str] = []
    for number, (user, group, part) in enumerate(users):
        token = secrets.token_hex(16)
        lines.append(f'{token},{user},uid{number},"{group}"')
        _private(cluster.dir / f"{part}.kubeconfig", json.dumps(kubeconfig(cluster, cluster.server, {"token": token})))
    _private(cluster.dir / "tokens.csv", "\n".join(lines) + "\n")


def _key(file: pathlib.Path) -> ec.EllipticCurvePrivateKey:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _private(file, pem.decode())
    return key


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.CertificateBuilder:
    made = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    early = now - dt.timedelta(minutes=5)
    return made.serial_number(x509.random_serial_number()).not_valid_before(early).not_valid_after(now + LIFE)


def _name(parts: list[tuple[x509.ObjectIdentifier, str]]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _usage(*, sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, key_cert_sign=sign, crl_sign=sign, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(file: pathlib.Path, certificate: x509.Certificate) -> bytes:
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    file.write_bytes(pem)
    return pem


def _private(file: pathlib.Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)


def _b64(file: pathlib.Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()
