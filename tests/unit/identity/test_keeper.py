"""The issuer in force, as files come and go."""

import pathlib

import pytest

from isthmus.identity import keeper
from tests.unit.identity.making import ISSUER, NOW, ROOT, Authority


class Play:
    """Two mounted folders and what was told."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.issuer, self.roots = folder / "issuer", folder / "roots"
        self.issuer.mkdir()
        self.roots.mkdir()
        self.told: list[tuple[str, str]] = []
        self.keeper = keeper.Keeper(
            self.issuer, self.roots, lambda reason, why: self.told.append((reason, why)), lambda: NOW
        )
        (self.roots / "ca-bundle.crt").write_bytes(ROOT.pem)

    def mount(self, own: Authority, scheme: tuple[str, str] = ("crt.pem", "key.pem")) -> None:
        (self.issuer / scheme[0]).write_bytes(own.pem)
        (self.issuer / scheme[1]).write_bytes(own.key_pem)

    def look(self) -> list[str]:
        """Reasons told by one look, and by a second one that must tell nothing."""
        self.told.clear()
        self.keeper.look()
        reasons = [reason for reason, _ in self.told]
        self.keeper.look()
        assert len(self.told) == len(reasons)
        return reasons


@pytest.fixture
def play(tmp_path: pathlib.Path) -> Play:
    return Play(tmp_path)


@pytest.mark.parametrize("scheme", keeper.SCHEMES, ids=["linkerd.io/tls", "kubernetes.io/tls"])
def test_both_schemes(play: Play, scheme: tuple[str, str]) -> None:
    play.mount(ISSUER, scheme)
    assert (play.look(), play.keeper.ttl()) == (["IssuerUpdated"], 365 * 86400)


def test_it_tells_how_long_the_anchor_above_the_issuer_lasts(play: Play) -> None:
    (play.roots / "ca-bundle.crt").write_bytes(Authority("another", days=9000).pem + ROOT.pem)
    assert play.keeper.anchor_ttl() == 0, "no issuer"
    play.mount(ISSUER)
    play.look()
    assert play.keeper.anchor_ttl() == 3650 * 86400


def test_nothing_mounted_then_mounted(play: Play) -> None:
    assert (play.look(), play.keeper.current, play.keeper.ttl()) == (["IssuerUpdateSkipped"], None, 0)
    play.mount(ISSUER)
    assert play.look() == ["IssuerUpdated"]


def test_a_new_issuer_is_taken(play: Play) -> None:
    play.mount(ISSUER)
    play.look()
    fresh = Authority("fresh", ROOT)
    play.mount(fresh)
    assert play.look() == ["IssuerUpdated"]
    assert play.keeper.current and play.keeper.current.chain[0] == fresh.certificate


def test_a_bad_one_leaves_the_old(play: Play) -> None:
    play.mount(ISSUER)
    play.look()
    play.mount(Authority("stranger"))
    assert play.look() == ["IssuerUpdateSkipped"]
    assert play.keeper.current and play.keeper.current.chain[0] == ISSUER.certificate


def test_half_a_change_is_taken_once_it_is_whole(play: Play) -> None:
    play.mount(ISSUER)
    play.look()
    fresh = Authority("fresh", ROOT)
    (play.issuer / "crt.pem").write_bytes(fresh.pem)
    assert play.look() == ["IssuerUpdateSkipped"]
    (play.issuer / "key.pem").write_bytes(fresh.key_pem)
    assert play.look() == ["IssuerUpdated"]


def test_anchors_are_followed_too(play: Play) -> None:
    other = Authority("other root")
    play.mount(ISSUER)
    play.look()
    (play.roots / "ca-bundle.crt").write_bytes(ROOT.pem + other.pem)
    assert play.look() == ["IssuerUpdated"]
    play.mount(Authority("fresh", other))
    assert play.look() == ["IssuerUpdated"]


def test_a_huge_file_is_not_read(play: Play) -> None:
    play.mount(ISSUER)
    (play.roots / "ca-bundle.crt").write_bytes(b"x" * (keeper.SIZE_LIMIT + 1))
    play.look()
    assert "larger than" in play.told[0][1]
