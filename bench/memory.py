"""Memory of our pair and the rivals': idle, after a burst (and how that was served), with idle connections; a part of `bench.proxies`.

In: a stage whose pairs run. Out: lines. Loads: one burst of BURST requests, then REST seconds; IDLE connections of HTTP, PAIRS of bytes,
and REST seconds again.
"""

import subprocess
import sys
import time

from bench.ground import loads, meter, work
from bench.ground import stage as stages
from bench.ground.stage import Stage

IDLE = 9_500
"""Two sockets each in HAProxy, which wants them all within a limit of 20 000 files."""
PAIRS = 2_000
BURST = 2_000
REST = 60
SAY = {"http1": "GET / HTTP/1.1\r\nhost: bench\r\n\r\n", "tcp": "once"}
"""What each connection says before it is idle: only then it surely is one."""


def resident(stage: Stage, product: str) -> list[float]:
    """MiB of client's and server's side."""
    return [meter.rss(child.process.pid) for child in stage.pairs[product]]


def held(stage: Stage, product: str, service: work.Service, count: int) -> list[float]:
    """KiB that each of `count` idle connections costs, on the client's and the server's side."""
    before = resident(stage, product)
    where = [work.PRODUCTS[product], str(service.port)]
    words = [sys.executable, str(stages.BULK), "hold", *where, str(count), SAY[service.kind]]
    child = subprocess.Popen(stage.client.inside(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        line = child.stdout.readline() if child.stdout else b""
        if line.strip() != b"held":
            raise RuntimeError(f"{product}: {count} connections could not be held")
        time.sleep(1)
        after = resident(stage, product)
    finally:
        child.kill()
        child.wait(10)
    return [(b - a) * 1024 / count for a, b in zip(before, after, strict=True)]


def measure(stage: Stage, products: list[str]) -> list[str]:
    """Everything about memory, as the lines of a list."""
    lines: list[str] = []

    def say(what: str, product: str, values: list[float], unit: str) -> None:
        lines.append(f"- {what}: {product} " + ", ".join(f"{value:.1f}" for value in values) + f" {unit}")
        print(lines[-1], flush=True)

    for product in products:
        say("idle RSS (client, server)", product, resident(stage, product), "MiB")
    for product in products:
        done = loads.wrk(stage, f"http://{work.PRODUCTS[product]}:{work.H1_LARGE.port}/", BURST)
        say(f"{BURST} requests of 16 KiB at a time (p50, p99)", product, [done.p50, done.p99], "ms")
    time.sleep(REST)
    for product in products:
        say(f"RSS {REST} s after {BURST} requests at a time", product, resident(stage, product), "MiB")
    for product in products:
        say(f"{IDLE} idle HTTP connections", product, held(stage, product, work.H1, IDLE), "KiB each")
        say(f"{PAIRS} idle TCP pairs", product, held(stage, product, work.ECHO, PAIRS), "KiB each")
    time.sleep(REST)
    for product in products:
        say(f"RSS {REST} s after all of them", product, resident(stage, product), "MiB")
    return lines
