"""Loads OCI archives into a node's containerd: `python -m isthmus.lab.node.load FILE...`. Runs inside the node.

In: archives. Out: images in the namespace the kubelet uses. An archive whose digest the node already has under its names is skipped.
Never here: pulling from anywhere.
"""

import pathlib
import subprocess
import sys
import time

from isthmus.lab.image import oci

CTR = ("ctr", "--namespace", "k8s.io", "images")
SERVES_WITHIN = 20.0


def main(files: list[str]) -> int:
    """Load each file; 0 when all are in."""
    have = present()
    for file in files:
        wanted = oci.names(pathlib.Path(file))
        if wanted.items() <= have.items():
            print(f"{file}: the node has it")
            continue
        done = subprocess.run([*CTR, "import", "--digests=false", file], check=False, capture_output=True, text=True)
        if done.returncode:
            print(f"{file}: {done.stderr.strip()}", file=sys.stderr)
            return 1
        print(f"{file}: loaded as {', '.join(wanted)}")
    return 0


def present() -> dict[str, str]:
    """{name: manifest digest} of the node's images; waits for containerd to serve."""
    end = time.monotonic() + SERVES_WITHIN
    while True:
        done = subprocess.run([*CTR, "list"], check=False, capture_output=True, text=True)
        if done.returncode == 0:
            rows = [line.split() for line in done.stdout.splitlines()[1:]]
            return {row[0]: row[2] for row in rows if len(row) > 2}
        if time.monotonic() > end:
            raise SystemExit(f"containerd does not answer: {done.stderr.strip()}")
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
