"""Two namespaces, the server's origins, and every product on both sides of the hop between them, all standing at the same time.

In: `Programs`. Out: a `Stage` with the processes of each product's pair. Each product is reached under an address of its own by a redirect
rule in the client's namespace, one worker each. Taken down by `close`, also after a failure. Never here: a load, a figure.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.ground import peers, pki, programs, work
from tests.wire import conftest, pods, world

DROP = [
    "setpriv",
    f"--reuid={pods.UID}",
    f"--regid={pods.UID}",
    "--clear-groups",
    "--pdeathsig=KILL",
    "env",
    "--chdir=/",
]
BULK = pathlib.Path(__file__).parent / "bulk.py"
COPIER = 19_001
"""Where `copy` stands, in both pods."""


@dataclass
class Stage:
    """What runs."""

    programs: programs.Programs
    folder: pathlib.Path
    ground: pods.Pods
    pairs: dict[str, list[pods.Child]] = field(default_factory=dict[str, list[pods.Child]])

    @property
    def client(self) -> pods.Pod:
        return self.ground.pods["client"]

    @property
    def server(self) -> pods.Pod:
        return self.ground.pods["server"]

    def close(self) -> None:
        """Ends every process, then the namespaces and the folder."""
        self.ground.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def open_stage(found: programs.Programs, products: list[str], *, cores: int = 1) -> Stage:
    """Everything up and answering."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    folder.chmod(0o755)
    stage = Stage(found, folder, pods.Pods(folder))
    try:
        stage.ground.open(["client", "server"])
        origins(stage)
        rules(stage)
        if "isthmus" in products:
            stage.pairs["isthmus"] = ours(stage, cores)
        root = pki.anchor()
        pki.write(folder, root)
        if "haproxy" in products:
            stage.pairs["haproxy"] = haproxy(stage)
        if "envoy" in products:
            stage.pairs["envoy"] = envoy(stage)
        stage.pairs["direct"] = []
        for product in stage.pairs:
            pods.wait_for(lambda product=product: answers(stage, product), 10, f"{product}: an answer")
        return stage
    except BaseException:
        stage.close()
        raise


def answers(stage: Stage, product: str) -> bool:
    """Whether a request through the product is answered well."""
    url = f"http://{work.PRODUCTS[product]}:{work.H1.port}/"
    words = stage.client.inside(stage.programs.fortio, "curl", "-quiet", url)
    return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0


def origins(stage: Stage) -> None:
    """HTTP of both versions, gRPC, an echo and a source of bytes."""
    server, found = stage.server, stage.programs
    server.start("origin", found.haproxy, "-f", str(peers.origin(stage.folder)))
    quiet = ["-http-port", "disabled", "-redirect-port", "disabled", "-udp-port", "disabled"]
    server.start(
        "fortio", found.fortio, "server", *quiet, "-grpc-port", str(work.GRPC.port), "-tcp-port", str(work.ECHO.port)
    )
    bulk = server.start("bulk", sys.executable, str(BULK), "serve", str(work.BULK.port))
    pods.wait_for(lambda: b"serving" in bulk.log.read_bytes(), 10, "the source of bytes", bulk)


def rules(stage: Stage) -> None:
    """Ours for both pods, and before them one for each rival and for nobody at all."""
    theirs = f"4190,4191,8079-9001,{COPIER},28079-29001,48079-49001"
    for pod in (stage.client, stage.server):
        words = ["--inbound-ports-to-ignore", theirs, "--proxy-uid", pods.UID]
        pods.run(*pod.inside(str(pods.program("isthmus-init")), *words))
    lines = [
        f"ip daddr {work.PRODUCTS[product]} tcp dport {service.port} redirect to :{service.port + offset}"
        for product, offset in work.OFFSET.items()
        for service in work.SERVICES
    ]
    lines.append(f"ip daddr {work.PRODUCTS['direct']} dnat to {stage.server.ip}")
    text = "table ip bench { chain out { type nat hook output priority -101; " + "; ".join(lines) + "; }; }\n"
    subprocess.run(stage.client.inside("nft", "-f", "-"), input=text, text=True, check=True)


def said() -> dict[str, Any]:
    """The state of the scripted control planes."""
    outbound: dict[str, Any] = {}
    profiles: dict[str, Any] = {}
    endpoints: dict[str, Any] = {}
    ports: dict[str, str] = {}
    for service in work.SERVICES:
        opaque = service.kind == "tcp"
        where, path = f"{work.PRODUCTS['isthmus']}:{service.port}", world.path(service.name, service.port)
        outbound[where] = world.service(service.name, service.port, kind="opaque" if opaque else "detect")
        endpoints[path] = [world.endpoint("server", service.port, hint="opaque" if opaque else "h2")]
        if opaque:
            profiles[where] = {"opaque": True}
            ports[str(service.port)] = "opaque"
    return {
        "outbound": outbound,
        "profiles": profiles,
        "endpoints": endpoints,
        "ports": ports,
        "lifetime": {"seconds": 86_400},
    }


def ours(stage: Stage, cores: int) -> list[pods.Child]:
    """A scripted control plane and our proxy on both sides."""
    anchors = conftest.make_root(stage.folder)
    (stage.folder / "token").write_text("token")
    state = stage.folder / "state.json"
    state.write_text(json.dumps(said()))
    pair: list[pods.Child] = []
    for pod in (stage.client, stage.server):
        pod.start_plane(state, stage.folder)
        identity = stage.folder / f"identity-{pod.name}"
        identity.mkdir()
        identity.chmod(0o777)
        ports = ",".join(str(service.port) for service in work.SERVICES)
        pair.append(pod.start_proxy(anchors, INBOUND_PORTS=ports, LOG="warn", CORES=str(cores)))
        pod.wait_ready()
    return pair


def haproxy(stage: Stage) -> list[pods.Child]:
    """One thread on each side."""
    files = peers.haproxy(stage.folder, stage.server.ip)
    return _rival(stage, files, lambda file: [stage.programs.haproxy, "-f", str(file)], "haproxy")


def envoy(stage: Stage) -> list[pods.Child]:
    """One worker on each side, no admin port."""
    files = peers.envoy(stage.folder, stage.server.ip)
    flags = ["--concurrency", "1", "--log-level", "error", "--disable-hot-restart"]
    # The proxies' user may not look into the cache.
    program = shutil.copy(stage.programs.envoy, stage.folder / "envoy")
    return _rival(stage, files, lambda file: [str(program), "-c", str(file), *flags], "envoy")


def _rival(
    stage: Stage, files: tuple[pathlib.Path, pathlib.Path], words: Callable[[pathlib.Path], list[str]], name: str
) -> list[pods.Child]:
    for path in (*files, stage.folder / "leaf.pem", stage.folder / "ca.pem"):
        path.chmod(0o644)
    sides = zip((stage.client, stage.server), files, strict=True)
    return [pod.start(name, *DROP, *words(file)) for pod, file in sides]
