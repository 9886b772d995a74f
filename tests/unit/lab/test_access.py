"""The lab's kubeconfig, in and out of the user's own; the relay; small shells around them."""

import asyncio
import datetime as dt
import json
import os
import pathlib
import subprocess
import threading

import pytest
import yaml

from isthmus import errors
from isthmus.lab import access, layout, lifecycle, provision, relay
from isthmus.lab.node import keys, mounts


@pytest.fixture
def lab(tmp_path: pathlib.Path) -> layout.Lab:
    made = layout.plan(tmp_path / "lab", "isthmus", ["east", "west"])
    for cluster in made.clusters:
        cluster.dir.mkdir(parents=True)
        keys.make(cluster, dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    access.write(made, {"east": 1001, "west": 1002})
    return made


def contexts(file: pathlib.Path) -> dict[str, str]:
    read = yaml.safe_load(file.read_text())
    servers = {c["name"]: c["cluster"]["server"] for c in read["clusters"]}
    return {c["name"]: servers[c["context"]["cluster"]] for c in read["contexts"]}


def test_contexts_are_called_as_the_clusters(lab: layout.Lab) -> None:
    assert contexts(lab.kubeconfig) == {"east": "https://127.0.0.1:1001", "west": "https://127.0.0.1:1002"}
    assert lab.kubeconfig.stat().st_mode & 0o077 == 0


def test_merged_and_taken_out_again(lab: layout.Lab, tmp_path: pathlib.Path) -> None:
    own = tmp_path / "config"
    theirs = {
        "clusters": [{"name": "prod", "cluster": {"server": "https://prod"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "current-context": "prod",
    }
    own.write_text(yaml.safe_dump(theirs))
    access.merge(lab, own)
    assert set(contexts(own)) == {"prod", "east", "west"}
    access.unmerge(lab)
    access.unmerge(lab)
    after = yaml.safe_load(own.read_text())
    assert {key: after[key] for key in theirs} == theirs


def test_merged_into_nothing(lab: layout.Lab, tmp_path: pathlib.Path) -> None:
    access.merge(lab, tmp_path / ".kube/config")
    assert set(contexts(tmp_path / ".kube/config")) == {"east", "west"}


@pytest.mark.parametrize(
    "text, says",
    [("- a\n", "not a kubeconfig"), ("a: [", "can't be read"), ("clusters: [{name: east}]", "already has")],
)
def test_a_file_that_can_not_take_them_is_left_alone(
    lab: layout.Lab, tmp_path: pathlib.Path, text: str, says: str
) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(errors.IsthmusError, match=says):
        access.merge(lab, tmp_path / "config")
    assert (tmp_path / "config").read_text() == text


@pytest.mark.parametrize(
    "env, file",
    [({"KUBECONFIG": "/a:/b"}, "/a"), ({"KUBECONFIG": ":/b"}, "/b"), ({"HOME": "/h"}, "/h/.kube/config")],
    ids=["first", "empty-first", "home"],
)
def test_where_kubectl_would_write(env: dict[str, str], file: str) -> None:
    assert str(access.default_file(env)) == file


def test_a_relay_target() -> None:
    assert relay.target("7=10.99.0.1:6443") == (7, "10.99.0.1", 6443)


async def test_bytes_pass_and_the_end_is_a_half_close() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay.carry(reader, writer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(b"x" * 300_000)
    writer.write_eof()
    assert len(await reader.read(-1)) == 300_000
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "path, covered", [("/var/lib/jenkins/x", True), ("/run/user/0", True), ("/home/a", False), ("/var/libx", False)]
)
def test_what_a_nodes_own_folders_cover(path: str, covered: bool) -> None:
    assert mounts.covered(pathlib.Path(path)) is covered


@pytest.mark.parametrize("path, types", [("/proc", {"proc"}), ("/sys", {"sysfs"})])
def test_file_systems_are_known_by_name(path: str, types: set[str]) -> None:
    assert mounts.filesystem(pathlib.Path(path)) in types


def test_a_node_never_mounts_outside_of_its_namespaces() -> None:
    with pytest.raises(SystemExit, match="isthmus lab up"):
        mounts.guard()


def test_a_process_is_known_by_number_and_birth(tmp_path: pathlib.Path) -> None:
    cluster = layout.plan(tmp_path, "isthmus", ["east"]).clusters[0]
    cluster.dir.mkdir(parents=True)
    assert lifecycle.outer(cluster) == 0
    (cluster.dir / "pid").write_text(json.dumps([os.getpid(), lifecycle.birth(os.getpid())]))
    assert lifecycle.outer(cluster) == os.getpid()
    (cluster.dir / "pid").write_text(json.dumps([os.getpid(), "1"]))
    assert lifecycle.outer(cluster) == 0, "the number was given to another process"


def test_one_up_or_down_at_a_time(tmp_path: pathlib.Path) -> None:
    lab = layout.plan(tmp_path, "isthmus", ["east"])
    with lifecycle.lock(lab), pytest.raises(errors.IsthmusError, match="at work"), lifecycle.lock(lab):
        pass


def test_one_process_at_a_time_in_the_cache(tmp_path: pathlib.Path) -> None:
    said: list[str] = []
    with provision.lock(tmp_path, said.append):
        other = threading.Thread(target=lambda: provision.lock(tmp_path, said.append).__enter__())
        other.start()
        other.join(0.2)
        assert other.is_alive()
        assert "waiting" in said[0]
    other.join(5)
    assert not other.is_alive()


def test_entering_groups_comes_before_the_program(tmp_path: pathlib.Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    groups = [str(tmp_path / name) for name in ("one", "two")]
    done = subprocess.run(
        ["sh", "-c", lifecycle.ENTER, "sh", *groups, "--", "echo", "a b", "--"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "a b --\n"
    assert [(tmp_path / name / "cgroup.procs").read_text() for name in ("one", "two")] == ["0\n", "0\n"]
