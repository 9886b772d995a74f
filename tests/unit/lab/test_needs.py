"""What the machine must have, and how a build is named."""

import pathlib
import shutil

import pytest

from isthmus import errors
from isthmus.lab import build, needs
from isthmus.lab.image import catalog


@pytest.mark.parametrize(
    "said, version",
    [
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", (1, 6)),
        ("containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da", (1, 7)),
        ("containerd github.com/containerd/containerd/v2 v2.0.4 1a43cb6a1035441f9aca8f5666a9b3ef9e70ab20", (2, 0)),
        ("containerd github.com/containerd/containerd/v2 2.1.4", (2, 1)),
    ],
)
def test_containerds_version(said: str, version: tuple[int, int]) -> None:
    assert needs.version(said) == version


def test_a_containerd_without_a_version_is_refused() -> None:
    with pytest.raises(errors.IsthmusError, match="does not say its version"):
        needs.version("containerd devel")


@pytest.mark.parametrize("euid, platform, says", [(1000, "linux", "needs root"), (0, "darwin", "runs on Linux")])
def test_who_may_not(euid: int, platform: str, says: str) -> None:
    with pytest.raises(errors.IsthmusError, match=says) as refused:
        needs.root(euid, platform)
    assert refused.value.hint


def test_root_on_linux_may() -> None:
    needs.root(0, "linux")


def test_the_first_folder_with_every_plugin_counts(tmp_path: pathlib.Path) -> None:
    half, whole = tmp_path / "half", tmp_path / "whole"
    for folder, plugins in ((half, needs.CNI_PLUGINS[:1]), (whole, needs.CNI_PLUGINS)):
        folder.mkdir()
        for plugin in plugins:
            (folder / plugin).touch()
    assert needs.cni((half, whole)) == whole
    assert needs.cni((half,)) is None


@pytest.mark.parametrize(
    "wanted, says",
    [
        (needs.IMAGED, "programs are missing: iptables nftables "),
        (
            needs.INSTALLED | {"sh": "dash"},
            "programs are missing: conntrack iproute2 iptables mount nftables util-linux ",
        ),
    ],
)
def test_packages_that_can_not_be_installed_are_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, wanted: dict[str, str], says: str
) -> None:
    (tmp_path / "sh").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.IsthmusError, match=says) as refused:
        needs.programs(wanted, str(tmp_path), print)
    assert "your package manager" in refused.value.hint


def test_what_is_there_is_not_installed(tmp_path: pathlib.Path) -> None:
    for name in needs.IMAGED:
        (tmp_path / name).touch(mode=0o755)
    needs.programs(needs.IMAGED, str(tmp_path), pytest.fail)


def test_what_goes_into_the_image_is_asked_for() -> None:
    assert set(needs.IMAGED) == {*catalog.IPTABLES, "nft"}


@pytest.fixture
def sources(tmp_path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(shutil.copytree(build.SOURCES, tmp_path / "go"))


def test_a_change_of_the_demo_builds_only_the_demo(sources: pathlib.Path) -> None:
    before = {t.name: build.part_key(t, sources) for t in build.TARGETS}, build.key(sources)
    (sources / "kube/demo/main.go").write_text("package main\n")
    after = {t.name: build.part_key(t, sources) for t in build.TARGETS}, build.key(sources)
    assert {name for name in before[0] if before[0][name] != after[0][name]} == {"demo"}
    assert before[1] != after[1]


def test_a_change_of_the_pins_builds_all_of_the_module(sources: pathlib.Path) -> None:
    before = {t.name: build.part_key(t, sources) for t in build.TARGETS}
    (sources / "kube/go.sum").write_text("")
    changed = {t.name for t in build.TARGETS if build.part_key(t, sources) != before[t.name]}
    assert changed == {"hyperkube", "pause", "demo"}


def test_the_stamp_says_the_version_in_both_packages() -> None:
    assert build.stamp().count(f"gitVersion=v{build.KUBE}") == 2
    assert f"k8s.io/kubernetes v{build.KUBE}" in (build.SOURCES / "kube/go.mod").read_text()


@pytest.mark.parametrize("limit, used, enough", [(128, 10, True), (128, 80, True), (128, 81, False), (20, 0, False)])
def test_room_for_inotify(limit: int, used: int, enough: bool) -> None:
    if enough:
        needs.watches(2, needs.WATCHES, limit, used)
    else:
        with pytest.raises(errors.IsthmusError, match=f"{used} of {limit} in use") as refused:
            needs.watches(2, needs.WATCHES, limit, used)
        assert f"max_user_instances={used + 48 + 128}" in refused.value.hint


def test_counting_inotify_instances(tmp_path: pathlib.Path) -> None:
    for number, links in (
        ("1", ["anon_inode:inotify", "/dev/null"]),
        ("22", ["anon_inode:inotify", "anon_inode:inotify"]),
    ):
        (tmp_path / number / "fd").mkdir(parents=True)
        for fd, link in enumerate(links):
            (tmp_path / number / "fd" / str(fd)).symlink_to(link)
    (tmp_path / "33").mkdir()
    assert needs.watches_used(tmp_path) == (3 if tmp_path.stat().st_uid == 0 else 0)
    assert needs.watches_limit() > 0
