"""Hours in minutes: a steady load through our proxies while endpoints come and go. `python -m bench.soak [--seconds 1800]` (root).

In: release builds, fortio. Out: requests, errors by code, resident memory of each proxy over time, for docs/performance.md. The load is
open loop at RATE a second; CHURN times a second the service's endpoints are another set of two servers. Never here: a verdict.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from bench.ground import meter, peers, programs, work
from tests.wire import conftest, pods, world

RATE = 1000
CHURN = 30.0
SAMPLE = 10.0
SETS = (["server"], ["server", "second"], ["second"], ["second", "server"])


def stand(folder: pathlib.Path, ground: pods.Pods, state: world.State, found: programs.Programs) -> None:
    """A client and two servers, each with a control plane and a proxy."""
    anchors = conftest.make_root(folder)
    (folder / "token").write_text("token")
    ground.open(["client", "server", "second"])
    for pod in ground.pods.values():
        pod.redirect()
        pod.start_plane(state.file, folder)
        if pod.name != "client":
            pod.start("origin", found.haproxy, "-f", str(peers.origin(folder)))
        pod.start_proxy(anchors, LOG="warn")
    for pod in ground.pods.values():
        pod.wait_ready()


def load(ground: pods.Pods, found: programs.Programs, seconds: int) -> subprocess.Popen[str]:
    """The steady load."""
    flags = ["-qps", str(RATE), "-c", "16", "-t", f"{seconds}s", "-nocatchup", "-json", "-", "-log-errors=false"]
    words = [found.fortio, "load", *flags, f"http://{world.WEB}:80/"]
    return subprocess.Popen(
        ground.pods["client"].inside(*words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def churn(ground: pods.Pods, state: world.State, running: subprocess.Popen[str]) -> dict[str, list[float]]:
    """Endpoints come and go until the load has ended; memory of each proxy every SAMPLE seconds."""
    seen: dict[str, list[float]] = {name: [] for name in ground.pods}
    began, turns, due = time.monotonic(), 0, 0.0
    while running.poll() is None:
        endpoints = [world.endpoint(pod, work.H1.port) for pod in SETS[turns % len(SETS)]]
        state.edit("endpoints", world.path("web"), endpoints)
        turns += 1
        passed = time.monotonic() - began
        if passed >= due:
            due += SAMPLE
            for name, pod in ground.pods.items():
                seen[name].append(meter.rss(pod.children["proxy"].process.pid))
            print(f"{passed:6.0f} s: " + ", ".join(f"{name} {v[-1]:.1f} MiB" for name, v in seen.items()), flush=True)
        time.sleep(max(0.0, began + turns / CHURN - time.monotonic()))
    print(f"{turns} changes of the endpoints", flush=True)
    return seen


def reasons(page: str) -> list[str]:
    """What a proxy counted of errors."""
    lines = [line for line in page.splitlines() if "_errors_total{" in line or 'error="' in line]
    return [line for line in lines if not line.endswith(" 0") and 'error=""' not in line]


def main() -> None:
    """Stand, load, tell, take down."""
    parser = argparse.ArgumentParser(prog="bench.soak")
    parser.add_argument("--seconds", type=int, default=1800)
    seconds = parser.parse_args().seconds
    folder = pathlib.Path(tempfile.mkdtemp(prefix="isthmus-soak-"))
    folder.chmod(0o755)
    ground, state = pods.Pods(folder), world.State(folder / "state.json")
    try:
        found = programs.find()
        stand(folder, ground, state, found)
        running = load(ground, found, seconds)
        seen = churn(ground, state, running)
        said = json.loads(running.communicate(timeout=30)[0])
        print(f"requests by status: {said['RetCodes']}; {said['ActualQPS']:.0f}/s")
        for name, pod in ground.pods.items():
            print("\n".join(f"{name}: {line}" for line in reasons(pod.admin("/metrics")[1])))
        for name, values in seen.items():
            early, late = values[len(values) // 10 : len(values) // 2], values[len(values) // 2 :]
            print(f"{name}: RSS first half at most {max(early):.1f}, second half at most {max(late):.1f} MiB")
    finally:
        ground.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
