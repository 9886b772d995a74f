"""Our proxies beside HAProxy's and Envoy's, interleaved in one run. `python -m bench.proxies [--rounds N] [--only TEXT] [--write]` (root).

In: release builds; see `programs` for what is installed. Out: a line per run, the table of `work.ROWS`, memory, the picture of it;
with `--write` all of it at the end of `docs/performance.md`. CPU is the scheduler's count of both processes of a pair.
Never here: a verdict.
"""

import argparse
import datetime
import pathlib

from bench import memory, report
from bench.ground import loads, meter, programs, stage, work

ROOT = pathlib.Path(__file__).parent.parent
SCALE = {"bulk": 1e3}


def sample(made: stage.Stage, product: str, row: work.Row) -> report.Sample:
    """One run of one row through one product."""
    pids = [child.process.pid for child in made.pairs[product]]
    before = sum(map(meter.cpu, pids))
    done = loads.run(made, product, row)
    cost = (sum(map(meter.cpu, pids)) - before) / done.count * SCALE.get(row.tool, 1e6)
    rate = done.count / done.seconds if done.seconds else 0.0
    return report.Sample(cost, rate, done.p50, done.p99)


def compare(made: stage.Stage, row: work.Row, products: list[str], rounds: int) -> dict[str, list[report.Sample]]:
    """Interleaved rounds after a warm-up of each."""
    seen: dict[str, list[report.Sample]] = {product: [] for product in products}
    for number in range(rounds + 1):
        for product in products:
            one = sample(made, product, row)
            if number:
                seen[product].append(one)
                print(
                    f"{row.title}, round {number}: {product} {one.cost:.1f} {row.unit}, {one.rate:,.0f}/s", flush=True
                )
    return seen


def keep(lines: list[str], picture: str) -> None:
    """Into docs/performance.md, the picture beside it."""
    page = ROOT / "docs" / "performance.md"
    head = (
        f"\n## `make bench`, {datetime.datetime.now(datetime.UTC).date()}\n\n![CPU relative to HAProxy](bench.svg)\n\n"
    )
    page.write_text(page.read_text().rstrip("\n") + "\n" + head + "\n".join(lines) + "\n")
    (ROOT / "docs" / "bench.svg").write_text(picture)


def main() -> None:
    """Build the stage, compare, take it down."""
    parser = argparse.ArgumentParser(prog="bench.proxies")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose title contains this")
    parser.add_argument("--products", default="isthmus,haproxy,envoy,direct")
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--write", action="store_true")
    said = parser.parse_args()
    products = said.products.split(",")
    made = stage.open_stage(programs.find(), products)
    try:
        lines: list[str] = []
        proxies = [product for product in products if made.pairs.get(product)]
        if not said.no_memory:
            lines += memory.measure(made, proxies)
        rows = [(row, compare(made, row, products, said.rounds)) for row in work.ROWS if said.only in row.title]
    finally:
        made.close()
    text = [report.table(rows), "", *(report.added(some) for row, some in rows if row.tool == "rate"), "", *lines]
    print("\n".join(text))
    if said.write:
        keep(text, report.chart(rows))


if __name__ == "__main__":
    main()
