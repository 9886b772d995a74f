"""What is signed, under what, for how long."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from isthmus.identity import issuer
from tests.unit.identity import making
from tests.unit.identity.making import DAY, ISSUER, NOW, ROOT, WHO, Authority

OTHER = Authority("other")
HOUR = dt.timedelta(hours=1)


def load(
    own: Authority = ISSUER, anchors: bytes = ROOT.pem, key: bytes | None = None, between: bytes = b""
) -> issuer.Issuer:
    return issuer.load(own.pem + between, key or own.key_pem, anchors, NOW)


def sign(held: issuer.Issuer, identity: str = WHO, now: dt.datetime = NOW) -> tuple[x509.Certificate, issuer.Signed]:
    csr = x509.load_der_x509_csr(making.csr(x509.DNSName(identity)))
    made = issuer.sign(
        held, csr, identity, now=now, lifetime=24 * HOUR, skew=dt.timedelta(seconds=20), serial=2**127 + 1
    )
    return x509.load_der_x509_certificate(made.leaf), made


def test_leaf_is_what_a_proxy_needs() -> None:
    leaf, made = sign(load())
    values = leaf.extensions
    assert values.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == [WHO]
    assert set(values.get_extension_for_class(x509.ExtendedKeyUsage).value) == {
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
    }
    assert not values.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (leaf.serial_number, leaf.public_key()) == (2**127 + 1, making.EC.public_key())
    leaf.verify_directly_issued_by(ISSUER.certificate)
    assert [x509.load_der_x509_certificate(d) for d in made.intermediates] == [ISSUER.certificate]


def test_validity_has_skew_on_both_ends() -> None:
    leaf, made = sign(load())
    skew = dt.timedelta(seconds=20)
    assert (leaf.not_valid_before_utc, leaf.not_valid_after_utc) == (NOW - skew, NOW + 24 * HOUR + skew)
    assert made.ends == leaf.not_valid_after_utc


@pytest.mark.parametrize(
    "root_days, issuer_days", [(3650, 0.5), (0.5, 365)], ids=["issuer-ends-first", "anchor-ends-first"]
)
def test_a_leaf_never_outlives_its_chain(root_days: float, issuer_days: float) -> None:
    root = Authority("short", days=root_days)
    leaf, _ = sign(load(Authority("i", root, days=issuer_days), root.pem))
    assert leaf.not_valid_after_utc == NOW + DAY / 2


def test_common_name_only_where_it_fits() -> None:
    held = load()
    assert sign(held, "web.shop.test")[0].subject.rfc4514_string() == "CN=web.shop.test"
    leaf, _ = sign(held, "a" * 60 + ".shop.serviceaccount.identity.linkerd.cluster.local")
    assert (
        leaf.subject.rfc4514_string(),
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical,
    ) == (
        "",
        True,
    )


def test_intermediates_go_from_leaf_to_root_without_the_anchor() -> None:
    middle = Authority("middle", ROOT)
    own = Authority("own", middle)
    _, made = sign(load(own, between=middle.pem + ROOT.pem))
    assert [x509.load_der_x509_certificate(d) for d in made.intermediates] == [own.certificate, middle.certificate]


def test_a_self_signed_issuer_is_its_own_anchor() -> None:
    leaf, made = sign(load(ROOT))
    leaf.verify_directly_issued_by(ROOT.certificate)
    assert len(made.intermediates) == 1


def test_rsa_anchor() -> None:
    root = Authority("rsa", key=making.RSA)
    sign(load(Authority("i", root), OTHER.pem + root.pem))


def test_of_renewed_anchors_the_longer_counts() -> None:
    short, long = Authority("root", days=0.5, key=ROOT.key), ROOT
    leaf, _ = sign(load(ISSUER, short.pem + long.pem))
    assert leaf.not_valid_after_utc > NOW + 24 * HOUR


@pytest.mark.parametrize(
    "own, anchors, key, said",
    [
        pytest.param(ISSUER, OTHER.pem, None, "not signed by any of the 1 trust anchors", id="another-root"),
        pytest.param(Authority("late", ROOT, days=-0.5), ROOT.pem, None, "ended", id="expired"),
        pytest.param(Authority("early", ROOT, starts=1), ROOT.pem, None, "not valid before", id="not-yet"),
        pytest.param(Authority("leaf", ROOT, ca=False), ROOT.pem, None, "no certificate authority", id="a-leaf"),
        pytest.param(ISSUER, ROOT.pem, OTHER.key_pem, "key does not belong", id="another-key"),
        pytest.param(ISSUER, ROOT.pem, b"nonsense", "no PEM key", id="key-not-pem"),
        pytest.param(Authority("rsa", ROOT, key=making.RSA), ROOT.pem, None, "not ECDSA", id="rsa-issuer"),
        pytest.param(ISSUER, b"nonsense", None, "trust bundle is no PEM", id="anchors-not-pem"),
    ],
)
def test_bad_issuers(own: Authority, anchors: bytes, key: bytes | None, said: str) -> None:
    with pytest.raises(issuer.BadIssuer, match=said):
        load(own, anchors, key)


def test_an_issuer_that_ended_signs_no_more() -> None:
    with pytest.raises(issuer.BadIssuer, match="ended"):
        sign(load(), now=NOW + 400 * DAY)
