"""`isthmus lab` as far as it goes without a lab; and how a start's steps are told."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from click.testing import CliRunner

from isthmus import errors
from isthmus.cli import lab as cli
from isthmus.lab import layout, lifecycle, status


def run(folder: pathlib.Path, *words: str) -> tuple[str, Exception | None]:
    env = {"ISTHMUS_LAB_DIR": str(folder), "HOME": str(folder)}
    done = CliRunner().invoke(cli.lab, list(words), env=env, catch_exceptions=True)
    return done.output, done.exception if isinstance(done.exception, errors.IsthmusError) else None


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("kubeconfig",),
        ("kubectl", "east", "version"),
        ("exec", "ops", "true"),
        ("cut", "east"),
        ("kill", "east", "etcd"),
    ],
    ids=lambda words: words[0],
)
def test_without_a_lab_every_verb_says_so(tmp_path: pathlib.Path, words: tuple[str, ...]) -> None:
    _, refused = run(tmp_path, *words)
    assert isinstance(refused, errors.Unreachable)
    assert (refused.sentence, refused.hint) == ("no lab is up", "isthmus lab up")


@pytest.mark.parametrize("names", ["East", "east,east", "ops", ""])
def test_bad_names_are_refused_before_anything_is_made(tmp_path: pathlib.Path, names: str) -> None:
    _, refused = run(tmp_path / "state", "up", "--clusters", names)
    assert isinstance(refused, errors.BadValue)
    assert not (tmp_path / "state").exists()


def test_somebody_who_is_not_root_is_refused_before_anything_is_made(tmp_path: pathlib.Path) -> None:
    # In a user namespace without a mapping nobody is root, whoever runs the tests.
    nobody = ["unshare", "--user"] if os.geteuid() == 0 else []
    env = os.environ | {"ISTHMUS_LAB_DIR": str(tmp_path / "state"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    spaces = sorted(pathlib.Path("/run/netns").glob("isthmus*"))
    done = subprocess.run(
        [*nobody, sys.executable, "-m", "isthmus", "lab", "up"], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs root" in done.stderr and "hint: run it with sudo" in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert sorted(pathlib.Path("/run/netns").glob("isthmus*")) == spaces


def test_the_kubeconfig_or_its_place(tmp_path: pathlib.Path) -> None:
    made = layout.plan(tmp_path, "isthmus", ["east"])
    made.save()
    made.kubeconfig.write_text("contexts: []\n")
    assert run(tmp_path, "kubeconfig", "--path") == (f"{made.kubeconfig}\n", None)
    assert "contexts: []" in run(tmp_path, "kubeconfig")[0]


def test_every_verb_has_a_sentence() -> None:
    assert all(command.help for command in cli.lab.commands.values())
    assert {"up", "down", "status", "cut", "heal", "stop", "start", "kill", "pause", "load", "exec"} <= set(
        cli.lab.commands
    )


def started(tmp_path: pathlib.Path, *lines: dict[str, object], ends: bool = False) -> lifecycle.Start:
    cluster = layout.plan(tmp_path, "isthmus", ["east"]).clusters[0]
    cluster.dir.mkdir(parents=True)
    (cluster.dir / "progress").write_text("".join(json.dumps({"at": 1.5, **line}) + "\n" for line in lines))
    (cluster.dir / "node.log").write_text("first\nlast words\n")
    process = subprocess.Popen([sys.executable, "-c", "" if ends else "import time; time.sleep(30)"])
    if ends:
        process.wait()
    return lifecycle.Start(cluster, process)


def follow(start: lifecycle.Start, limit: float = 5) -> list[str]:
    said: list[str] = []
    try:
        lifecycle._follow([start], limit, said.append)  # pyright: ignore[reportPrivateUsage]
    finally:
        start.process.kill()
        start.process.wait()
    return said


def test_steps_are_told_until_ready(tmp_path: pathlib.Path) -> None:
    start = started(tmp_path, {"what": "etcd"}, {"what": "ready", "ready": True})
    assert follow(start) == ["east: etcd (1.5 s)", "east: ready (1.5 s)"]


@pytest.mark.parametrize(
    "lines, ends, limit, says",
    [
        ([{"what": "failed", "failed": "etcd ended with 1", "hint": "x"}], False, 5, "east: etcd ended with 1"),
        ([], True, 5, "east ended: last words"),
        ([{"what": "etcd"}], False, 0, "not up within 0 s"),
    ],
    ids=["said", "ended", "late"],
)
def test_a_start_that_fails_says_why(
    tmp_path: pathlib.Path, lines: list[dict[str, object]], ends: bool, limit: float, says: str
) -> None:
    with pytest.raises(errors.IsthmusError, match=says):
        follow(started(tmp_path, *lines, ends=ends), limit)


def test_half_a_line_waits_for_its_end(tmp_path: pathlib.Path) -> None:
    start = started(tmp_path, {"what": "ready", "ready": True})
    file = start.cluster.dir / "progress"
    whole = file.read_text()
    file.write_text(whole[:-9])
    assert lifecycle._steps(start) == []  # pyright: ignore[reportPrivateUsage]
    file.write_text(whole)
    assert follow(start) == ["east: ready (1.5 s)"]


def test_a_node_that_is_gone_is_unreachable(tmp_path: pathlib.Path) -> None:
    cluster = layout.plan(tmp_path, "isthmus", ["east"]).clusters[0]
    with pytest.raises(errors.Unreachable, match="east is not up"):
        status.command(cluster, "status")
    cluster.dir.mkdir(parents=True)
    with pytest.raises(errors.Unreachable, match="does not answer"):
        status.command(cluster, "status")


def test_groups_are_those_of_the_start_whoever_asks(tmp_path: pathlib.Path) -> None:
    lab = layout.plan(tmp_path, "isthmus", ["east"])
    assert lifecycle.recorded_groups(lab) == []
    (tmp_path / "groups.json").write_text('["/cg/memory/session/isthmus-east"]')
    assert lifecycle.recorded_groups(lab) == [pathlib.Path("/cg/memory/session/isthmus-east")]


def test_logs_of_a_failed_start_are_kept(tmp_path: pathlib.Path) -> None:
    lab = layout.plan(tmp_path, "isthmus", ["east"])
    lab.clusters[0].dir.mkdir(parents=True)
    (lab.clusters[0].dir / "etcd.log").write_text("why")
    kept = lifecycle._keep_logs(lab)  # pyright: ignore[reportPrivateUsage]
    assert (kept / "east/etcd.log").read_text() == "why"
