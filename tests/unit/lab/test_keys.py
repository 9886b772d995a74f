"""Keys of a cluster: who signed what, for whom."""

import base64
import datetime as dt
import json
import pathlib
import ssl

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.lab import layout
from isthmus.lab.node import keys

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> layout.Cluster:
    made = layout.plan(tmp_path_factory.mktemp("lab"), "isthmus", ["east"]).clusters[0]
    made.dir.mkdir(parents=True)
    keys.make(made, NOW)
    return made


def read(cluster: layout.Cluster, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((cluster.dir / f"pki/{name}.crt").read_bytes())


@pytest.mark.parametrize(
    "name, issuer",
    [("apiserver", "ca"), ("admin", "ca"), ("apiserver-kubelet", "ca"), ("front-proxy", "front-proxy-ca")],
)
def test_certificates_are_signed_and_in_time(cluster: layout.Cluster, name: str, issuer: str) -> None:
    certificate = read(cluster, name)
    certificate.verify_directly_issued_by(read(cluster, issuer))
    assert certificate.not_valid_before_utc < NOW < certificate.not_valid_after_utc


def test_the_api_server_is_found_by_every_address(cluster: layout.Cluster) -> None:
    names = read(cluster, "apiserver").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "10.99.0.1", "10.30.0.1"}
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_the_administrator_is_a_client_in_the_right_group(cluster: layout.Cluster) -> None:
    admin = read(cluster, "admin")
    usage = admin.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert admin.subject.rfc4514_string() == "CN=admin,O=system:masters"
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]


def test_every_component_has_a_token_of_its_own(cluster: layout.Cluster) -> None:
    rows = [line.split(",") for line in (cluster.dir / "tokens.csv").read_text().splitlines()]
    assert len({row[0] for row in rows}) == len(rows) == 4
    assert next(row for row in rows if row[1] == "system:node:east")[3] == '"system:nodes"'
    kubelet = json.loads((cluster.dir / "kubelet.kubeconfig").read_text())
    assert kubelet["users"][0]["user"]["token"] in {row[0] for row in rows}


@pytest.mark.parametrize("file", ["pki/ca.key", "tokens.csv", "admin.kubeconfig", "kubelet.kubeconfig"])
def test_secrets_are_nobody_elses(cluster: layout.Cluster, file: str) -> None:
    assert (cluster.dir / file).stat().st_mode & 0o077 == 0


def test_the_kubeconfig_holds_a_pair_that_fits(cluster: layout.Cluster, tmp_path: pathlib.Path) -> None:
    made = json.loads(cluster.admin.read_text())
    assert made["clusters"][0]["cluster"]["server"] == "https://10.99.0.1:6443"
    pair = [base64.b64decode(made["users"][0]["user"][f"client-{part}-data"]) for part in ("certificate", "key")]
    (tmp_path / "pair.pem").write_bytes(b"".join(pair))
    ssl.create_default_context().load_cert_chain(tmp_path / "pair.pem")
