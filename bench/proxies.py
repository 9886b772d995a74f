"""CPU per request of our proxy pair and of HAProxy's, in one interleaved run. Run: `python -m bench.proxies [rounds]` (root).

In: release builds, wrk and haproxy from Debian. Out: a line per round and the medians, for docs/performance.md. Both pairs stand in the
same two namespaces all the time, one worker each, mTLS 1.3 with P-256 both ways, HTTP/1.1 from client and to the origin, HTTP/2 between,
both reached by a redirect rule. CPU is the scheduler's count of the two processes. Loads: 64 and 1 connections, SECONDS each.
Never here: a verdict.
"""

import contextlib
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

from bench import haproxy, pki
from tests.wire import conftest, pods, world

SECONDS = 3
ORIGIN = 8080
RULES = "table ip bench { chain out { type nat hook output priority -101; tcp dport 8081 redirect to :4141; }; }\n"


def cpu(child: pods.Child) -> float:
    """Seconds of all threads of a process so far."""
    total = 0
    for task in pathlib.Path(f"/proc/{child.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def rss(child: pods.Child) -> float:
    """Resident MiB."""
    for line in pathlib.Path(f"/proc/{child.process.pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def wrk(client: pods.Pod, url: str, connections: int) -> float:
    """Requests in SECONDS seconds; a run with errors does not count."""
    words = client.inside("wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", url)
    said = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS + 30, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return float(said.split(" requests in ")[0].split()[-1])


def start_haproxy(folder: pathlib.Path, stage: pods.Pods) -> list[pods.Child]:
    """The origin, then HAProxy on both sides."""
    server, client = stage.pods["server"], stage.pods["client"]
    root = pki.anchor()
    pki.write(folder, root)
    files = haproxy.write(folder, folder, pki.IDENTITY, (server.ip, ORIGIN), http=True)
    for path in (haproxy.origin(folder, ORIGIN), *files, folder / "leaf.pem", folder / "ca.pem"):
        path.chmod(0o644)
    drop = ["setpriv", f"--reuid={pods.UID}", f"--regid={pods.UID}", "--clear-groups", "--pdeathsig=KILL"]
    drop += ["env", "--chdir=/"]  # HAProxy returns to the folder it was started in, which that user may not enter
    server.start("origin", "haproxy", "-f", str(folder / "origin.cfg"))
    pair = [client.start("haproxy", *drop, "haproxy", "-f", str(files[0]))]
    pair.append(server.start("haproxy", *drop, "haproxy", "-f", str(files[1])))
    subprocess.run(client.inside("nft", "-f", "-"), input=RULES, text=True, check=True)
    return pair


def start_ours(folder: pathlib.Path, stage: pods.Pods) -> list[pods.Child]:
    """A scripted control plane and our proxy on both sides, with the rules of a pod."""
    anchors = conftest.make_root(folder)
    (folder / "token").write_text("token")
    state = world.State(folder / "state.json")
    pair: list[pods.Child] = []
    for pod in (stage.pods["client"], stage.pods["server"]):
        pod.start_plane(state.file, folder)
        words = ["--inbound-ports-to-ignore", "4190,4191,4144", "--outbound-ports-to-ignore", "8081"]
        pods.run(*pod.inside(str(pods.program("isthmus-init")), *words, "--proxy-uid", pods.UID))
        identity = folder / f"identity-{pod.name}"
        identity.mkdir()
        identity.chmod(0o777)
        pair.append(pod.start_proxy(anchors, INBOUND_PORTS=str(ORIGIN), LOG="warn"))
        pod.wait_ready()
    return pair


def measure(client: pods.Pod, pair: list[pods.Child], url: str, connections: int) -> tuple[float, float]:
    """CPU microseconds per request of the pair, requests a second."""
    before = sum(map(cpu, pair))
    requests = wrk(client, url, connections)
    return (sum(map(cpu, pair)) - before) / requests * 1e6, requests / SECONDS


def compare(stage: pods.Pods, ours: list[pods.Child], theirs: list[pods.Child], rounds: int) -> None:
    """Interleaved rounds; a warm-up of each first."""
    client = stage.pods["client"]
    work = {"isthmus": (ours, f"http://{world.WEB}:80/"), "haproxy": (theirs, f"http://{world.WEB}:8081/")}
    print("idle RSS MiB (client, server): " + idle(work))
    for connections in (64, 1):
        seen: dict[str, list[float]] = {name: [] for name in work}
        for number in range(rounds + 1):
            for name, (pair, url) in work.items():
                micros, rate = measure(client, pair, url, connections)
                if number:
                    seen[name].append(micros)
                    print(
                        f"{connections} connections, round {number}: {name} {micros:.1f} us/request, {rate:.0f}/s",
                        flush=True,
                    )
        medians = {name: statistics.median(values) for name, values in seen.items()}
        ratio = medians["isthmus"] / medians["haproxy"]
        print(
            f"{connections} connections, medians: {medians['isthmus']:.1f} and {medians['haproxy']:.1f} us; ratio {ratio:.2f}"
        )
    print("RSS MiB after load: " + idle(work))


def idle(work: dict[str, tuple[list[pods.Child], str]]) -> str:
    """Memory of all four processes."""
    return "; ".join(f"{name} " + ", ".join(f"{rss(c):.1f}" for c in pair) for name, (pair, _) in work.items())


def main(rounds: int, wait: Callable[[float], None] = time.sleep) -> None:
    """Build the stage, compare, take it down."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    folder.chmod(0o755)
    stage = pods.Pods(folder)
    try:
        stage.open(["client", "server"])
        ours = start_ours(folder, stage)
        theirs = start_haproxy(folder, stage)
        wait(1.0)
        compare(stage, ours, theirs, rounds)
    finally:
        stage.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
