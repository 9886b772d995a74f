"""What the bad-input tests share: the three ways in, counters, memory, and what the evil server has seen.

In: the stage. Out: `Ways` to send raw bytes by, `Watch` to assert reason and memory. Never here: inputs.
"""

import contextlib
import dataclasses
import json
import pathlib
import socket
import ssl
import sys
import time
from collections.abc import Generator

from cryptography import x509

from tests.wire import certificates, conftest, pods, raw, world

WAYS = ["inbound", "outbound", "gateway"]
"""A stranger to the server's proxy; the application to its own; a verified peer, by name, through the gateway."""
H1, H2 = 8070, 8071
MEMORY = 4 << 20
"""What one case may add to the proxy's memory; the list asks for less than 1 MB of a single head, which has its own test."""


@dataclasses.dataclass
class Bench:
    """The stage with the evil server."""

    stage: conftest.Stage
    log: pathlib.Path
    chain: pathlib.Path

    def proxy(self, way: str) -> pods.Pod:
        """Whose proxy meets the bytes first."""
        return self.stage.all[{"inbound": "server", "outbound": "client", "gateway": "gateway"}[way]]

    def connect(self, way: str, port: int = H1) -> socket.socket:
        if way == "inbound":
            return raw.connect(world.IPS["server"], port)
        if way == "outbound":
            return raw.connect(world.EVIL, port, self.stage.client.space)
        return self.by_gateway(port)

    def by_gateway(self, port: int) -> ssl.SSLSocket:
        name, session = world.path("evil", port).rpartition(":")[0], "http1" if port == H1 else "http2"
        sock = self.mesh("gateway")
        sock.sendall(raw.header(port, name, session))
        return sock

    def mesh(self, pod: str, chain: pathlib.Path | None = None, alpn: str | None = raw.ALPN) -> ssl.SSLSocket:
        """Mesh TLS to a proxy's own port, with a proper certificate unless told otherwise."""
        context = raw.context(self.stage.ca / "ca.pem", chain or self.chain, alpn)
        plain = raw.connect(world.IPS[pod], 4143)
        return context.wrap_socket(plain, server_hostname=world.identity(pod))

    def reached(self, part: str) -> list[str]:
        """The heads the evil server saw with this in them."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [head for line in lines if part in (head := json.loads(line)["head"])]

    def connections(self, part: str) -> list[int]:
        """The connections on which they came."""
        said = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [one["conn"] for one in said if part in one["head"]]


def open_bench(stage: conftest.Stage) -> Bench:
    """Starts the evil server once."""
    log, chain = stage.ca / "evil.log", stage.ca / "stranger.pem"
    if "evil" not in stage.server.children:
        words = [sys.executable, str(pods.HERE / "evil.py"), str(log)]
        child = stage.server.start("evil", *words)
        pods.wait_for(lambda: b"serving" in child.log.read_bytes(), 10, "the evil server", child)
        leaf = certificates.Leaf([x509.DNSName(world.identity("stranger"))])
        certificates.write(chain, certificates.sign(certificates.root(stage.ca), leaf))
    return Bench(stage, log, chain)


def family(way: str) -> str:
    return "outbound_refused_total" if way == "outbound" else "inbound_refused_total"


def resident(pod: pods.Pod) -> int:
    """Bytes of memory of the pod's proxy."""
    status = pathlib.Path("/proc", str(pod.children["proxy"].process.pid), "status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


@contextlib.contextmanager
def counted(pod: pods.Pod, name: str, reason: str, *, memory: int = MEMORY, least: int = 1) -> Generator[None]:
    """What happens inside is counted under `reason`, and the proxy's memory does not grow by more than `memory`."""
    before, size = pod.metric(name, reason=reason), resident(pod)
    yield
    pods.wait_for(lambda: pod.metric(name, reason=reason) >= before + least, 3, f"{name}{{reason={reason}}}")
    grown = resident(pod) - size
    assert grown <= memory, f"{grown} bytes more"


def settle(test: float = 0.2) -> None:
    """Time for what should not happen."""
    time.sleep(test)
