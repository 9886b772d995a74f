"""Two workers against one: HTTP/1.1 in a closed loop through a pair with CORES=1 and a pair with CORES=2. `python -m bench.workers` (root).

In: release builds. Out: requests a second, CPU a request, and the share of each worker. Load and server want two cores of their own; where
the machine has no four, the rate tells little, CPU a request and shares all the same. Never here: a verdict.
"""

import argparse
import pathlib

from bench.ground import loads, meter, programs, stage, work
from tests.wire import pods

ROW = work.ROWS[0]


def ran(child: pods.Child) -> list[float]:
    """CPU seconds of each worker so far."""
    tasks = pathlib.Path(f"/proc/{child.process.pid}/task").iterdir()
    mine = sorted(task for task in tasks if (task / "comm").read_text().startswith("worker"))
    return [int((task / "schedstat").read_text().split()[0]) / 1e9 for task in mine]


def once(made: stage.Stage) -> tuple[float, float, list[list[float]]]:
    """Requests a second, CPU µs a request, shares in per cent by side and worker."""
    children = made.pairs["isthmus"]
    cpu, before = sum(meter.cpu(child.process.pid) for child in children), [ran(child) for child in children]
    done = loads.run(made, "isthmus", ROW)
    cpu = sum(meter.cpu(child.process.pid) for child in children) - cpu
    spent = [[b - a for a, b in zip(old, ran(child), strict=True)] for child, old in zip(children, before, strict=True)]
    return (
        done.count / done.seconds,
        cpu / done.count * 1e6,
        [[100 * one / sum(side) for one in side] for side in spent],
    )


def main() -> None:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(prog="bench.workers")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    for cores in (1, 2, 1, 2):
        made = stage.open_stage(programs.find(), ["isthmus"], cores=cores)
        try:
            once(made)
            for _ in range(rounds):
                rate, cpu, shares = once(made)
                told = "; ".join(" + ".join(f"{share:.0f} %" for share in side) for side in shares)
                print(f"{cores} workers: {rate:,.0f}/s, {cpu:.1f} µs CPU a request, {told}", flush=True)
        finally:
            made.close()


if __name__ == "__main__":
    main()
