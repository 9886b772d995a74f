"""A lab for the stories: brought up once for all of them, and taken down at the end.

In: the machine, as root. Out: `lab`, the running default lab; `client`, the demonstration's client in it, installed, linked and deployed;
`own_lab`, a smaller one in a folder of its own that a test may break.
A lab that is up already is used and left up, so that a developer's second run starts at once.
"""

import dataclasses
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent import futures

import pytest

import isthmus
from isthmus.demo import app
from isthmus.lab import layout
from tests.lab import mesh


@dataclasses.dataclass(frozen=True)
class Own:
    """A lab in a folder of its own: `run` is `isthmus lab ...` for it."""

    dir: pathlib.Path
    tag: str

    @property
    def env(self) -> dict[str, str]:
        return os.environ | {"ISTHMUS_LAB_DIR": str(self.dir), "KUBECONFIG": str(self.dir / "kubeconfig")}

    def run(self, *words: str, ok: bool = True, limit: float = 300) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "isthmus.cli.lab", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=self.env, timeout=limit, check=False)
        if ok and done.returncode:
            raise AssertionError(
                f"isthmus lab {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def kubectl(self, cluster: str, *words: str) -> str:
        return self.run("kubectl", cluster, *words).stdout

    @property
    def lab(self) -> layout.Lab:
        return layout.load(self.dir, self.tag)


def make_own(folder: pathlib.Path) -> Own:
    return Own(folder, layout.tag(folder, os.environ))


@pytest.fixture(scope="session", autouse=True)
def root_on_linux() -> None:
    if os.geteuid() != 0:
        pytest.exit("the lab tier needs root: sudo make test", returncode=2)


@pytest.fixture(scope="session")
def lab() -> Iterator[layout.Lab]:
    """The default lab, with nodes."""
    folder = layout.state_dir(os.environ)
    own = Own(folder, layout.tag(folder, os.environ))
    was_up = bool(own.lab.clusters)
    if not was_up:
        own.run("up", limit=1800)
    os.environ["KUBECONFIG"] = str(folder / "kubeconfig")
    yield own.lab
    if not was_up:
        own.run("down")


@pytest.fixture(scope="session")
def client(lab: layout.Lab) -> mesh.Inside:
    """The mesh in both clusters, east linked to west, `backend-svc` in both: the network of east's client pod."""
    for cluster in ("east", "west"):
        mesh.isthmus("install", "--apply", "--context", cluster)
    mesh.isthmus("link", "east", "west", "--apply")
    image = f"localhost/isthmus-demo:{isthmus.__version__}"
    for cluster in ("west", "east"):
        mesh.apply(cluster, app.namespace(), *app.backend(cluster, image, exported=cluster == "west"))
    mesh.apply("east", *app.client(image, rps=5, connections=2))
    for cluster, deployment in (("west", app.SERVICE), ("east", app.SERVICE), ("east", app.CLIENT)):
        mesh.kubectl(cluster, "-n", app.NAMESPACE, "rollout", "status", f"deploy/{deployment}", "--timeout=120s")
    mesh.until(
        lambda: mesh.MIRROR in {o["metadata"]["name"] for o in mesh.objects("east", "svc", "-n", app.NAMESPACE)},
        "the mirror",
    )
    return mesh.inside("east", app.CLIENT)


@pytest.fixture(scope="session")
def measured(client: mesh.Inside) -> mesh.Inside:
    """The viz extension in both clusters, with readings every 2 seconds, so that short windows have some."""
    words = ("viz", "install", "--apply", "--set", "scrapeInterval=1s", "--context")
    with futures.ThreadPoolExecutor() as pool:
        list(pool.map(lambda cluster: mesh.isthmus(*words, cluster), ("east", "west")))
    return client


@pytest.fixture(scope="module")
def own_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Two control planes without nodes, in a folder of their own."""
    own = make_own(tmp_path_factory.mktemp("lab") / "state")
    own.run("up", "--no-nodes", limit=1800)
    yield own
    own.run("down")
