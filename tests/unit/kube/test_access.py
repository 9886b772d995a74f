"""Kubeconfigs: merged, picked from, refused with a sentence."""

import pathlib
from typing import Any

import pytest
import yaml

from isthmus.errors import IsthmusError
from isthmus.kube import access


def config(
    name: str, *, current: bool = True, user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None
) -> str:
    doc = {
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": f"{name}-ns"}}],
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}.test:6443", **(cluster or {})}}],
        "users": [{"name": name, "user": user or {"token": name}}],
    }
    return yaml.safe_dump({**doc, "current-context": name} if current else doc)


@pytest.fixture
def home(tmp_path: pathlib.Path) -> pathlib.Path:
    for name in ("east", "west"):
        (tmp_path / name).write_text(config(name))
    return tmp_path


def env(home: pathlib.Path, *files: str) -> dict[str, str]:
    return {"HOME": str(home), "KUBECONFIG": ":".join(str(home / f) for f in files)}


def test_the_first_file_names_the_current_context(home: pathlib.Path) -> None:
    found = access.load(env=env(home, "west", "missing", "east"))
    assert (found.context, found.server, found.namespace) == ("west", "https://west.test:6443", "west-ns")


def test_contexts_of_all_files_can_be_picked(home: pathlib.Path) -> None:
    assert access.load("east", env=env(home, "west", "east")).server == "https://east.test:6443"


def test_of_two_entries_with_one_name_the_first_counts(home: pathlib.Path) -> None:
    (home / "other").write_text(config("east", user={"token": "other"}))
    assert access.load("east", env=env(home, "other", "east")).user.token == "other"


def test_a_named_file_goes_before_the_environment(home: pathlib.Path) -> None:
    assert access.load(kubeconfig=str(home / "west"), env=env(home, "east")).context == "west"


def test_home_is_the_last_resort(home: pathlib.Path) -> None:
    (home / ".kube").mkdir()
    (home / ".kube" / "config").write_text(config("home"))
    assert access.load(env={"HOME": str(home)}).context == "home"


def test_relative_paths_count_from_their_file(home: pathlib.Path) -> None:
    (home / "ca.pem").write_bytes(b"pem")
    plugin = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "provideClusterInfo": True}
    }
    (home / "files").write_text(config("f", user=plugin, cluster={"certificate-authority": "ca.pem"}))
    found = access.load(env=env(home, "files"))
    assert (found.ca(), found.provide_cluster_info) == (b"pem", True)
    assert found.user.exec and pathlib.Path(found.user.exec.command) == home / "login"


def test_data_in_the_text() -> None:
    found = access.parse(
        config("w", cluster={"certificate-authority-data": "cGVt", "tls-server-name": "api"}), source="Secret"
    )
    assert (found.ca(), found.tls_server_name, found.user.token) == (b"pem", "api", "w")


@pytest.mark.parametrize(
    "text, said",
    [
        pytest.param("{", "not YAML", id="not-yaml"),
        pytest.param("[]", "not a kubeconfig", id="a-list"),
        pytest.param("contexts: 3\ncurrent-context: a", "not a list", id="contexts-not-a-list"),
        pytest.param(config("w", current=False), "no current context", id="no-current-context"),
        pytest.param("current-context: a\ncontexts: []", "no context 'a'", id="context-missing"),
        pytest.param(config("w").replace("cluster: w\n", "cluster: q\n"), "not in Secret", id="cluster-missing"),
        pytest.param(config("w").replace("user: w\n", "user: q\n"), "not in Secret", id="user-missing"),
        pytest.param(config("w").replace("https://", ""), "server of cluster", id="server-without-scheme"),
        pytest.param(config("w", user={"token": 3}), "wrong shape", id="token-not-text"),
        pytest.param(config("w", user={"exec": {"command": "x"}}), "only data", id="plugin-in-a-secret"),
        pytest.param(config("w", user={"tokenFile": "/etc/shadow"}), "only data", id="file-in-a-secret"),
        pytest.param(config("w", cluster={"certificate-authority": "/x"}), "names a file", id="ca-file-in-a-secret"),
    ],
)
def test_refused_texts(text: str, said: str) -> None:
    with pytest.raises(IsthmusError, match=said):
        access.parse(text, source="Secret")


def test_a_wrong_context_lists_those_there_are(home: pathlib.Path) -> None:
    with pytest.raises(IsthmusError) as caught:
        access.load("wets", env=env(home, "east", "west"))
    assert caught.value.hint == "contexts there: west, east"


def test_nothing_at_all(tmp_path: pathlib.Path) -> None:
    with pytest.raises(IsthmusError, match="no kubeconfig"):
        access.load(env={"HOME": str(tmp_path)})


def test_a_named_file_must_be_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(IsthmusError, match="is not a file"):
        access.load(kubeconfig=str(tmp_path / "none"), env={})


@pytest.mark.parametrize("host, server", [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")])
def test_inside_a_pod(tmp_path: pathlib.Path, host: str, server: str) -> None:
    (tmp_path / "token").write_text("t")
    (tmp_path / "namespace").write_text("linkerd\n")
    found = access.in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": host})
    assert (found.server, found.namespace, found.user.token_file) == (server, "linkerd", str(tmp_path / "token"))


@pytest.mark.parametrize(
    ("files", "found"),
    [(("west", "east"), ["west", "east"]), (("east", "west"), ["east", "west"]), (("west",), ["west"])],
)
def test_all_contexts_the_current_one_first(home: pathlib.Path, files: tuple[str, ...], found: list[str]) -> None:
    assert access.contexts(env=env(home, *files)) == found


def test_no_contexts_without_a_kubeconfig(tmp_path: pathlib.Path) -> None:
    with pytest.raises(IsthmusError, match="no kubeconfig"):
        access.contexts(env={"HOME": str(tmp_path)})
