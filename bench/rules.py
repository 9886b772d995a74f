"""What recording rules cost and spare: `python -m bench.rules [--pods 500] [--seconds 120]`.

In: Debian's Prometheus, pages made up here with the labels of real ones: each pod has PEERS clients and calls as many Services of two
endpoints. Out: Prometheus' processor time and memory without rules and with them; milliseconds of the questions behind a stat table,
asked of proxies' series and of recorded ones. Never here: proxies, a cluster.
"""

import argparse
import http.server
import pathlib
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from bench.ground import meter
from isthmus.install.prometheus import files
from tests import promtool

REPLICAS, PEERS, ENDPOINTS = 5, 2, 2
BUCKETS = (
    1,
    2,
    3,
    4,
    5,
    10,
    20,
    30,
    40,
    50,
    100,
    200,
    300,
    400,
    500,
    1000,
    2000,
    3000,
    4000,
    5000,
    10000,
    20000,
    30000,
    40000,
    50000,
)
BY = "namespace, deployment"
QUESTIONS = {
    "responses": (
        f'sum by ({BY}, classification, tls) (increase(response_total{{direction="inbound"}}[1m]))',
        f'sum by ({BY}, classification, tls) (workload:response_total:rate1m{{direction="inbound"}}) * 60',
    ),
    "latency, p99": (
        f'histogram_quantile(0.99, sum by ({BY}, le) (rate(response_latency_ms_bucket{{direction="inbound"}}[1m])))',
        f'histogram_quantile(0.99, sum by ({BY}, le) (workload:response_latency_ms_bucket:rate1m{{direction="inbound"}}))',
    ),
    "edges": (
        f'sum by ({BY}, dst_namespace, dst_deployment, tls) (tcp_open_connections{{direction="outbound"}})',
        f"sum by ({BY}, dst_namespace, dst_deployment, tls) (edge:tcp_open_connections:sum)",
    ),
}
"""Of a whole cluster at once: asked of proxies' series, of recorded ones."""


def peers(pod: int) -> Iterator[str]:
    """Label sets of one proxy's series."""
    workload = pod // REPLICAS
    for n in range(PEERS):
        port = f'target_addr="10.0.{pod % 250}.1:8080",target_ip="10.0.{pod % 250}.1",target_port="8080"'
        served = 'srv_group="",srv_kind="default",srv_name="all-unauthenticated",srv_port="8080",route_kind="default",route_name="default"'
        client = f'client_id="app-{n}.shop.serviceaccount.identity.linkerd.cluster.local"'
        yield f'direction="inbound",peer="src",tls="true",{port},{served},{client}'
        for endpoint in range(ENDPOINTS):
            to = workload + n + 1
            there = (
                f'dst_namespace="shop",dst_service="app-{to}",dst_deployment="app-{to}",dst_pod="app-{to}-{endpoint}"'
            )
            yield f'direction="outbound",peer="dst",tls="true",authority="app-{to}.shop:80",target_addr="10.1.{endpoint}.1:80",{there}'


def page(pod: int) -> str:
    """A proxy's page; `@` is how many requests there were."""
    lines: list[str] = []
    for labels in peers(pod):
        lines += [f'response_total{{{labels},status_code="200",classification="success"}} @']
        lines += [
            f'response_total{{{labels},status_code="503",classification="failure"}} 1',
            f"request_total{{{labels}}} @",
        ]
        latency = f'response_latency_ms_bucket{{{labels},status_code="200",le='
        lines += [f'{latency}"{bound}"}} {"@" if bound >= 10 else 0}' for bound in BUCKETS] + [f'{latency}"+Inf"}} @']
        lines += [f"tcp_open_connections{{{labels}}} 3"]
        lines += [f"tcp_{way}_bytes_total{{{labels}}} @" for way in ("read", "write")]
    return "\n".join(lines) + "\n"


def server(pages: list[str]) -> http.server.ThreadingHTTPServer:
    """`/N` is the page of pod N; it moves by 100 requests a second."""
    began = time.time()

    class Pages(http.server.BaseHTTPRequestHandler):
        """One scrape."""

        def do_GET(self) -> None:
            body = pages[int(self.path[1:])].replace("@", str(int((time.time() - began) * 100))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's name)
            """Nobody reads it."""

    class Quiet(http.server.ThreadingHTTPServer):
        """Says nothing when a scrape was given up: `up` tells."""

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nobody reads it."""

    made = Quiet(("127.0.0.1", 0), Pages)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    return made


def scrape(address: str, pod: int) -> dict[str, Any]:
    name = f"app-{pod // REPLICAS}"
    labels = {"__metrics_path__": f"/{pod}", "namespace": "shop", "deployment": name, "pod": f"{name}-{pod % REPLICAS}"}
    return {"targets": [address], "labels": labels}


def median(ask: Callable[[], object], times: int = 7) -> float:
    """Milliseconds."""
    took: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def number(running: promtool.Prometheus, expr: str) -> float:
    return sum(float(one["value"][1]) for one in running.query(expr))


def run(job: dict[str, Any], rules: dict[str, str], seconds: int) -> None:
    """One Prometheus; the first half of the time is its start."""
    with tempfile.TemporaryDirectory() as folder:
        running = promtool.Prometheus(pathlib.Path(folder), rules, [job], "10s")
        try:
            time.sleep(seconds / 2)
            before = meter.cpu(running.child.pid)
            time.sleep(seconds / 2)
            took = (meter.cpu(running.child.pid) - before) / (seconds / 2)
            series, memory = (
                number(running, what) for what in ("prometheus_tsdb_head_series", "process_resident_memory_bytes")
            )
            print(f"{len(rules)} files of rules: {series:.0f} series, {memory / 1e6:.0f} MB, {took:.3f} processors")
            for name, both in QUESTIONS.items() if rules else ():
                took = [median(lambda expr=expr: running.query(expr)) for expr in both]
                print(f"{name}: {took[0]:.0f} ms of proxies' series, {took[1]:.0f} ms of recorded ones")
        finally:
            running.close()


def main() -> None:
    """Without and with."""
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--pods", type=int, default=500)
    parse.add_argument("--seconds", type=int, default=120)
    asked = parse.parse_args()
    pages = server([page(pod) for pod in range(asked.pods)])
    address = f"127.0.0.1:{pages.server_port}"
    job = {"job_name": "linkerd-proxy", "static_configs": [scrape(address, pod) for pod in range(asked.pods)]}
    for rules in ({}, files.rules()):
        run(job, rules, asked.seconds)
    pages.shutdown()


if __name__ == "__main__":
    main()
