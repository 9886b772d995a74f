"""Two namespaces joined by a cable, and processes that end with the run. In: programs to start. Out: their CPU time and memory.

Everything made here is unmade by `World.close`, also when a run fails half-way. Namespaces are named after this process.
Never here: what is measured (see `proxies`).
"""

import contextlib
import os
import pathlib
import subprocess
import time
from dataclasses import dataclass

CLIENT_IP = "10.77.1.2"
SERVER_IP = "10.77.1.3"
SERVICE_IP = "10.77.2.1"
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Process:
    """A program we started, and what it has cost."""

    popen: "subprocess.Popen[bytes]"

    def cpu(self) -> float:
        """User and system seconds so far, over all threads, from the scheduler's own count."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.popen.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def rss(self) -> float:
        """Resident MiB."""
        for line in pathlib.Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def alive(self) -> bool:
        return self.popen.poll() is None


class World:
    """The client's and the server's namespace."""

    def __init__(self) -> None:
        self.client = f"bench-c-{os.getpid()}"
        self.server = f"bench-s-{os.getpid()}"
        self._started: list[Process] = []

    def open(self) -> None:
        """Make both namespaces; loopback up, a route for Service addresses in the client's."""
        for name in (self.client, self.server):
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        run(
            "ip", "-n", self.client, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.server
        )
        for name, address in ((self.client, CLIENT_IP), (self.server, SERVER_IP)):
            run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", self.client, "route", "add", "default", "via", SERVER_IP)

    def start(
        self, where: str, *words: str, uid: int | None = None, env: dict[str, str] | None = None, log: str
    ) -> Process:
        """A program in a namespace; its output goes to `log`."""
        prefix = ["nsenter", f"--net=/run/netns/{where}"]
        if uid is not None:
            prefix += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        with pathlib.Path(log).open("ab") as out:
            popen = subprocess.Popen(
                [*prefix, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **(env or {})}
            )
        process = Process(popen)
        self._started.append(process)
        return process

    def rules(self, where: str, text: str) -> None:
        """Nft rules inside a namespace, by a child process that entered it first."""
        run("nsenter", f"--net=/run/netns/{where}", "nft", "-f", "-", text=text)

    def ask(self, where: str, *words: str, limit: float = 60) -> str:
        """Output of a program that ends by itself."""
        done = subprocess.run(
            ["nsenter", f"--net=/run/netns/{where}", *words], capture_output=True, text=True, timeout=limit, check=True
        )
        return done.stdout

    def wait_port(self, where: str, port: int, limit: float = 10) -> None:
        """Until somebody listens."""
        end = time.monotonic() + limit
        while f":{port} " not in self.ask(where, "ss", "-ltnH"):
            if time.monotonic() > end:
                raise TimeoutError(f"nobody listens on {port} in {where}")
            time.sleep(0.02)

    def close(self) -> None:
        """End what was started, remove what was made."""
        for process in self._started:
            if process.alive():
                process.popen.kill()
            process.popen.wait()
        for name in (self.client, self.server):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def run(*words: str, text: str | None = None) -> None:
    """A command that must succeed; its words come with the failure."""
    done = subprocess.run(words, input=text, text=True, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
