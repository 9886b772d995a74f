"""Loads, each bounded in time, count and connections, run in the client's namespace; how many things were done, and how long they took.

In: a stage, a product, a row. Out: `Done`. A run with errors is an exception, never a figure. Never here: what it cost (see `meter`).
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from bench.ground import stage as stages
from bench.ground import work
from bench.ground.stage import Stage

SECONDS = 3
GIGABYTES = 1.0
MILLIS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Done:
    """What a load did; `p50`, `p99` in milliseconds where the tool tells them."""

    count: float
    seconds: float
    p50: float = 0.0
    p99: float = 0.0


def run(stage: Stage, product: str, row: work.Row) -> Done:
    """One run of a row through a product."""
    try:
        return ask(stage, work.PRODUCTS[product], row)
    except RuntimeError as error:
        raise RuntimeError(f"{row.title}, {product}: {error}") from error


def ask(stage: Stage, host: str, row: work.Row) -> Done:
    """The same, by address."""
    port = row.service.port
    match row.tool:
        case "wrk":
            return wrk(stage, f"http://{host}:{port}/", row.connections)
        case "h2load":
            return h2load(stage, f"http://{host}:{port}/", row.connections)
        case "grpc":
            return fortio(stage, ["-grpc", "-ping", "-qps", "-1"], f"{host}:{port}", row.connections)
        case "echo":
            return fortio(stage, ["-qps", "-1", "-payload-size", "100"], f"tcp://{host}:{port}", row.connections)
        case "short":
            return fortio(stage, ["-qps", "-1", "-keepalive=false"], f"http://{host}:{port}/", row.connections)
        case "rate":
            open_loop = ["-qps", "2000", "-nocatchup", "-uniform"]
            return fortio(stage, open_loop, f"http://{host}:{port}/", row.connections)
        case "bulk":
            return bulk(stage, host, port)


def words(stage: Stage, *said: str, limit: float = SECONDS + 60) -> str:
    """What a program of the client's says."""
    done = subprocess.run(stage.client.inside(*said), capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode:
        raise RuntimeError(f"{said[0]}: {done.stdout[-500:]}{done.stderr[-1500:]}")
    return done.stdout


def wrk(stage: Stage, url: str, connections: int) -> Done:
    """HTTP/1.1, closed loop."""
    said = words(
        stage, stage.programs.wrk, "-t1", f"-c{connections}", f"-d{SECONDS}", "--latency", "--timeout", "10s", url
    )
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    times = {
        share: float(value) * MILLIS[unit]
        for share, value, unit in re.findall(r"\b(50|99)% +([\d.]+)(us|ms|s)\b", said)
    }
    return Done(float(said.split(" requests in ")[0].split()[-1]), SECONDS, times["50"], times["99"])


def h2load(stage: Stage, url: str, connections: int) -> Done:
    """HTTP/2 in clear, 32 streams on each connection, closed loop."""
    said = words(stage, stage.programs.h2load, "-t1", f"-c{connections}", "-m32", f"-D{SECONDS}", url)
    counts = re.search(r"requests: .*?(\d+) succeeded, (\d+) failed, (\d+) errored", said)
    if not counts or counts[2] != "0" or counts[3] != "0":
        raise RuntimeError(said)
    return Done(float(counts[1]), SECONDS)


def fortio(stage: Stage, flags: list[str], to: str, connections: int) -> Done:
    """Fortio in any of its protocols; its own histogram."""
    common = ["load", "-c", str(connections), "-t", f"{SECONDS}s", "-p", "50,99", "-json", "-", "-log-errors=false"]
    said: dict[str, Any] = json.loads(words(stage, stage.programs.fortio, *common, *flags, to))
    histogram = said["DurationHistogram"]
    codes: dict[str, int] = said.get("RetCodes") or {}
    bad = {code: count for code, count in codes.items() if code not in ("200", "OK", "SERVING")}
    if bad:
        raise RuntimeError(f"{to}: {bad}")
    percentiles: list[dict[str, float]] = histogram.get("Percentiles") or []
    found = {p["Percentile"]: p["Value"] * 1000 for p in percentiles}
    return Done(histogram["Count"], said["ActualDuration"] / 1e9, found.get(50, 0.0), found.get(99, 0.0))


def bulk(stage: Stage, host: str, port: int) -> Done:
    """GIGABYTES from the server in one connection."""
    count = int(GIGABYTES * 1e9)
    said = words(stage, sys.executable, str(stages.BULK), "take", host, str(port), str(count))
    if int(said) != count:
        raise RuntimeError(f"{said.strip()} of {count} bytes came")
    return Done(GIGABYTES, 0.0)
