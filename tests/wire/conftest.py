"""The wire tier's stage: four pods, one scripted control plane in each, real proxies and rules.

In: root, the built programs. Out: `stage` (session: everything running), `state` (per test: the default world, to be edited).
"""

import dataclasses
import datetime
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.wire import pods, world

NAMES = ["client", "server", "second", "gateway", "remote"]


@dataclasses.dataclass
class Stage:
    """The running pods and what their control planes say."""

    all: dict[str, pods.Pod]
    state: world.State
    anchors: str
    ca: pathlib.Path

    @property
    def client(self) -> pods.Pod:
        return self.all["client"]

    @property
    def server(self) -> pods.Pod:
        return self.all["server"]


@pytest.fixture(scope="session", autouse=True)
def root_on_linux() -> None:
    if os.geteuid() != 0:
        pytest.exit("the wire tier needs root: sudo make test", returncode=2)


def make_root(folder: pathlib.Path) -> str:
    """A root certificate and its key in the folder; the certificate as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root.linkerd.cluster.local")])
    now = datetime.datetime.now(datetime.UTC)
    root = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = root.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.key").write_bytes(private)
    return pem.decode()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    # Not pytest's own folder: the proxy's user must read the token, and pytest closes its folders to others.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-wire-"))
    folder.chmod(0o755)
    (folder / "token").write_text("token")
    anchors = make_root(folder)
    state = world.State(folder / "state.json")
    with pods.apart():
        made = pods.Pods(folder)
        try:
            made.open(NAMES)
            for pod in made.pods.values():
                pod.redirect()
                if pod.name != "remote":
                    pod.start_plane(state.file, folder)
                if pod.name in ("server", "second"):
                    pod.start_app()
                pod.start_proxy(anchors)
            for pod in made.pods.values():
                pod.wait_ready()
            yield Stage(made.pods, state, anchors, folder)
        finally:
            made.close()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def state(stage: Stage) -> Iterator[world.State]:
    stage.state.reset()
    yield stage.state
    stage.state.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """After a failure, the last lines of every proxy's log."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.when == "call" and report.failed and isinstance(stage, Stage):
        for pod in stage.all.values():
            text = pod.children["proxy"].log.read_text()
            report.sections.append((f"proxy of {pod.name}", text[-2000:]))
    return report
