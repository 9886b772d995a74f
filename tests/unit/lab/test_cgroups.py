"""Which control groups a node gets, from the text of /proc/self/cgroup."""

import pathlib

import pytest

from isthmus.lab import cgroups

V1 = "9:name=systemd:/\n4:memory:/session/one\n3:cpuset:/\n2:cpu,cpuacct:/user\n0::/\n"
V2 = "0::/user.slice/session-3.scope\n"


def test_v1_makes_a_group_below_the_callers_in_every_hierarchy() -> None:
    plan = cgroups.plan(V1, pathlib.Path("/cg"))
    assert plan.version == 1
    assert {str(g) for g in plan.groups("isthmus-east")} == {
        "/cg/systemd/isthmus-east",
        "/cg/memory/session/one/isthmus-east",
        "/cg/cpuset/isthmus-east",
        "/cg/cpu,cpuacct/user/isthmus-east",
    }


@pytest.mark.parametrize(
    "text", [V2, "1:name=systemd:/x\n0::/x\n", ""], ids=["pure", "hybrid-without-memory", "nothing"]
)
def test_v2_makes_one_group_at_the_root(tmp_path: pathlib.Path, text: str) -> None:
    plan = cgroups.plan(text, tmp_path, real_root=True)
    assert (plan.version, plan.groups("isthmus-east")) == (2, [tmp_path / "isthmus-east"])


def test_inside_a_container_v2_groups_stay_in_the_own_group(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cgroup.type").write_text("domain\n")
    (tmp_path / "user.slice/session-3.scope").mkdir(parents=True)
    assert cgroups.plan(V2, tmp_path).v2 == tmp_path / "user.slice/session-3.scope"
    assert cgroups.plan("0::/../elsewhere\n", tmp_path).v2 == tmp_path


def test_the_callers_own_leaf_is_never_swept_with_a_labs_groups() -> None:
    assert not cgroups.HOST_LEAF.startswith("isthmus")


def test_v2_hands_on_what_the_group_has(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu memory pids rdma misc")
    (tmp_path / "cgroup.subtree_control").write_text("cpu memory pids")
    cgroups.enable(tmp_path)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpuset"


def test_removing_takes_the_groups_below_first(tmp_path: pathlib.Path) -> None:
    (tmp_path / "g/kubepods/pod/container").mkdir(parents=True)
    assert cgroups.remove(tmp_path / "g")
    assert not (tmp_path / "g").exists()
    assert cgroups.remove(tmp_path / "g"), "what is not there is removed"


def test_what_can_not_be_removed_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "g").mkdir()
    (tmp_path / "g/file").write_text("")
    assert cgroups.clear([tmp_path / "g", tmp_path / "never-was"], within=0.05) == [tmp_path / "g"]
