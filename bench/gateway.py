"""What the hop through a gateway adds: the same requests straight to the server's proxy and through a gateway, interleaved.

`python -m bench.gateway [--rounds N]` (root). In: release builds. Out: p50 of both ways at RATE requests a second (open loop) and CPU
of the gateway's proxy for each request. Never here: a verdict.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import tempfile
from typing import Any

from bench.ground import meter, programs
from tests.wire import conftest, pods, world

RATE = 200
SECONDS = 5


def load(found: programs.Programs, client: pods.Pod, host: str) -> tuple[float, int]:
    """The p50 in ms and how many requests were answered with 200."""
    words = [found.fortio, "load", "-c", "4", "-t", f"{SECONDS}s", "-qps", str(RATE), "-nocatchup", "-uniform"]
    words += ["-p", "50", "-r", "0.00001", "-json", "-", "-log-errors=false", f"http://{host}/"]
    done = subprocess.run(client.inside(*words), capture_output=True, text=True, check=True, timeout=SECONDS + 60)
    said: dict[str, Any] = json.loads(done.stdout)
    if set(said["RetCodes"]) != {"200"}:
        raise RuntimeError(f"{host}: {said['RetCodes']}")
    return said["DurationHistogram"]["Percentiles"][0]["Value"] * 1000, said["DurationHistogram"]["Count"]


def ground(found: programs.Programs, folder: pathlib.Path) -> pods.Pods:
    """Client, gateway and server with their proxies; fortio answers."""
    (folder / "token").write_text("token")
    anchors, state, made = conftest.make_root(folder), world.State(folder / "state.json"), pods.Pods(folder)
    try:
        made.open(["client", "gateway", "server"])
        for pod in made.pods.values():
            pod.redirect()
            pod.start_plane(state.file, folder)
            pod.start_proxy(anchors, LOG="warn")
        words = ["server", "-http-port", "8080", "-redirect-port", "disabled", "-udp-port", "disabled"]
        made.pods["server"].start("app", found.fortio, *words, "-grpc-port", "disabled", "-tcp-port", "disabled")
        for pod in made.pods.values():
            pod.wait_ready()
    except BaseException:
        made.close()
        raise
    return made


def main() -> None:
    """Rounds of both ways."""
    parser = argparse.ArgumentParser(prog="bench.gateway")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    folder = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    folder.chmod(0o755)
    found = programs.find()
    added: list[float] = []
    costs: list[float] = []
    with pods.apart():
        made = ground(found, folder)
        try:
            client, hop = made.pods["client"], made.pods["gateway"].children["proxy"].process.pid
            for number in range(rounds + 1):
                straight, _ = load(found, client, world.WEB)
                before = meter.cpu(hop)
                through, count = load(found, client, world.WEST)
                each = (meter.cpu(hop) - before) / count * 1e3
                if number:
                    added.append(through - straight)
                    costs.append(each)
                    print(
                        f"p50 {straight:.2f} ms straight, {through:.2f} ms through; CPU {each:.3f} ms a request",
                        flush=True,
                    )
        finally:
            made.close()
            shutil.rmtree(folder, ignore_errors=True)
    print(
        f"gateway hop at {RATE}/s: p50 +{statistics.median(added):.2f} ms, CPU {statistics.median(costs):.3f} ms a request"
    )


if __name__ == "__main__":
    main()
