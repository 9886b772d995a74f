"""Certificates: made once, kept for the next cluster, refused when they do not fit."""

import datetime as dt
import stat
import threading

import pytest
from cryptography import x509

from isthmus.errors import BadValue, IsthmusError
from isthmus.install import anchor, trust
from tests.unit.install import builders as b

WORLD = {"trust_domain": "cluster.local", "control_ns": "linkerd"}


def settle(folder, files=None, kept=None, now=b.NOW):
    return trust.settle(files or trust.Files(), kept, folder, now=now, **WORLD)


def test_two_clusters_share_the_anchor_and_have_issuers_of_their_own(tmp_path):
    east, west = settle(tmp_path / "t"), settle(tmp_path / "t")
    assert east.anchors == west.anchors
    assert east.issuer != west.issuer
    assert anchor.problem(east.anchors, west.issuer, west.key, b.NOW) == ""
    assert "new trust anchor" in east.origin
    assert "new" not in west.origin


def test_the_key_is_for_its_owner_alone(tmp_path):
    settle(tmp_path / "t")
    assert stat.S_IMODE((tmp_path / "t" / trust.KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "t").stat().st_mode) == 0o700


def test_two_at_once_make_one_anchor(tmp_path):
    got: list[trust.Trust] = []
    threads = [threading.Thread(target=lambda: got.append(settle(tmp_path / "t"))) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert len({one.anchors for one in got}) == 1
    assert len(got) == 4


def test_a_cluster_keeps_what_it_has_and_the_folder_is_left_alone(tmp_path):
    assert settle(tmp_path / "t", kept=b.certificates()) == b.certificates()
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("days", "own_folder", "renewed"),
    [
        pytest.param(300, True, False, id="good for long"),
        pytest.param(310, True, True, id="ends soon"),
        pytest.param(400, True, True, id="has ended"),
        pytest.param(310, False, False, id="under somebody else's anchor"),
    ],
)
def test_an_issuer_that_ends_soon_is_made_anew_under_the_same_anchor(tmp_path, days, own_folder, renewed):
    first = settle(tmp_path / "t")
    folder = tmp_path / ("t" if own_folder else "other")
    later = b.NOW + dt.timedelta(days=days)
    found = settle(folder, kept=first, now=later)
    assert (found.issuer != first.issuer) is renewed
    assert found.anchors == first.anchors
    assert not renewed or anchor.problem(found.anchors, found.issuer, found.key, later) == ""


def given(tmp_path, anchors=None, issuer=None, key=None) -> trust.Files:
    whole = b.certificates()
    paths = []
    for name, text in (("a", anchors or whole.anchors), ("i", issuer or whole.issuer), ("k", key or whole.key)):
        (tmp_path / name).write_text(text)
        paths.append(str(tmp_path / name))
    return trust.Files(*paths)


def test_files_win_over_the_cluster(tmp_path):
    found = settle(tmp_path, given(tmp_path), kept=trust.Trust("x", "y", "z"))
    assert found.issuer == b.certificates().issuer


OTHER = anchor.root(trust_domain="elsewhere", now=b.NOW)


@pytest.mark.parametrize(
    ("changes", "now", "said"),
    [
        pytest.param({"anchors": OTHER[0]}, b.NOW, "not signed by any", id="another anchor"),
        pytest.param({"key": OTHER[1]}, b.NOW, "does not belong", id="another key"),
        pytest.param({"key": "no key"}, b.NOW, "no PEM key", id="no key"),
        pytest.param({"issuer": "nothing"}, b.NOW, "no PEM certificate", id="no certificate"),
        pytest.param({"anchors": "nothing"}, b.NOW, "no PEM certificates", id="no anchors"),
        pytest.param({}, b.NOW + dt.timedelta(days=400), "ended", id="ended"),
        pytest.param({}, b.NOW - dt.timedelta(days=1), "not valid before", id="not yet"),
        pytest.param(
            {"issuer": b.webhook().certificate, "key": b.webhook().key}, b.NOW, "no certificate authority", id="a leaf"
        ),
    ],
)
def test_certificates_that_do_not_fit_are_refused(tmp_path, changes, now, said):
    with pytest.raises(IsthmusError, match=said):
        settle(tmp_path, given(tmp_path, **changes), now=now)


@pytest.mark.parametrize("files", [trust.Files(anchors="a"), trust.Files(issuer="i", key="k")])
def test_one_or_two_files_are_refused(files):
    with pytest.raises(BadValue, match="all three"):
        files.given()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadValue, match="--identity-trust-anchors-file is"):
        settle(tmp_path, trust.Files("/no/such", "/no/such", "/no/such"))


@pytest.mark.parametrize("lost", [trust.KEY_FILE, trust.ANCHOR_FILE])
def test_half_a_folder_is_refused_rather_than_replaced(tmp_path, lost):
    settle(tmp_path / "t")
    (tmp_path / "t" / lost).unlink()
    with pytest.raises(IsthmusError, match=f"lacks {lost}"):
        settle(tmp_path / "t")


def test_an_issuer_never_outlives_its_anchor(tmp_path):
    late = b.NOW + dt.timedelta(days=365 * anchor.YEARS - 30)
    found = settle(tmp_path / "t")
    again = settle(tmp_path / "t", now=late)
    assert anchor.days_left(again.issuer, late) <= anchor.days_left(found.anchors, late) + 0.01


@pytest.mark.parametrize(("days", "kept"), [(0, True), (300, True), (310, False), (400, False)])
def test_the_webhooks_certificate_is_kept_while_it_is_good(days, kept):
    assert (trust.webhook(b.webhook(), "linkerd", now=b.NOW + dt.timedelta(days=days)) == b.webhook()) is kept


def test_a_new_webhook_certificate_leaves_the_old_one_trusted_for_a_while():
    first = b.webhook()
    second = trust.webhook(first, "linkerd", now=b.NOW + dt.timedelta(days=310))
    third = trust.webhook(second, "linkerd", now=b.NOW + dt.timedelta(days=620))
    assert anchor.signed_by(first.certificate, second.authority)
    assert anchor.signed_by(second.certificate, second.authority)
    assert not anchor.signed_by(first.certificate, third.authority), "the bundle does not grow for ever"


def test_the_webhooks_certificate_is_for_its_service_and_signed_by_its_authority():
    leaf = x509.load_pem_x509_certificate(b.webhook().certificate.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert names == ["linkerd-proxy-injector.linkerd.svc"]
    assert anchor.signed_by(b.webhook().certificate, b.webhook().authority)
    assert not anchor.signed_by(b.webhook().certificate, b.roots()[0])
