"""Long opaque streams beside tokio's `copy_bidirectional` over rustls (`proxy/app/examples/copy.rs`), interleaved. `python -m bench.copy`.

In: release builds of the proxy and of the example. Out: ms CPU a GB of both pairs, a line a round, and the ratio of the medians.
Never here: a verdict.
"""

import argparse
import statistics
import subprocess

from bench.ground import loads, meter, programs, stage, work
from tests.wire import pods

HOST = "10.96.4.1"
ROW = next(row for row in work.ROWS if row.tool == "bulk")


def pair(made: stage.Stage) -> list[pods.Child]:
    """The plain copier on both sides, reached under an address of its own."""
    program, port = str(pods.program("examples/copy")), stage.COPIER
    near = ["client", f"0.0.0.0:{port}", f"{made.server.ip}:{port}", str(made.folder)]
    far = ["server", f"0.0.0.0:{port}", f"127.0.0.1:{ROW.service.port}", str(made.folder)]
    rule = f"ip daddr {HOST} tcp dport {ROW.service.port} redirect to :{port}"
    text = f"table ip copy {{ chain out {{ type nat hook output priority -102; {rule}; }}; }}\n"
    subprocess.run(made.client.inside("nft", "-f", "-"), input=text, text=True, check=True)
    for name in ("ca.pem", "leaf.pem"):
        (made.folder / name).chmod(0o644)
    return [pod.start("copy", *stage.DROP, program, *words) for pod, words in ((made.client, near), (made.server, far))]


def cost(made: stage.Stage, children: list[pods.Child], host: str) -> float:
    """Milliseconds of CPU a GB."""
    before = sum(meter.cpu(child.process.pid) for child in children)
    done = loads.ask(made, host, ROW)
    return (sum(meter.cpu(child.process.pid) for child in children) - before) / done.count * 1e3


def main() -> None:
    """Stage, rounds, ratio."""
    parser = argparse.ArgumentParser(prog="bench.copy")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    made = stage.open_stage(programs.find(), ["isthmus"])
    try:
        both = {work.PRODUCTS["isthmus"]: made.pairs["isthmus"], HOST: pair(made)}
        seen: dict[str, list[float]] = {host: [] for host in both}
        for number in range(rounds + 1):
            for host, children in both.items():
                one = cost(made, children, host)
                if number:
                    seen[host].append(one)
                    print(f"round {number}: {children[0].name} {one:.0f} {ROW.unit}", flush=True)
    finally:
        made.close()
    ours, plain = (statistics.median(costs) for costs in seen.values())
    print(f"isthmus {ours:.0f}, copy_bidirectional {plain:.0f} {ROW.unit}: {ours / plain:.2f}")


if __name__ == "__main__":
    main()
