"""Prometheus and its own judge of rules. In: texts. Out: what `promtool` says, or a running Prometheus.

Both are in Debian's package `prometheus`, which is unpacked into the cache that labs share; nothing is installed.
"""

import contextlib
import functools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from isthmus.lab import layout, needs, provision


@functools.cache
def program(name: str = "promtool") -> str:
    cache = layout.cache_dir(os.environ)
    path = f"{needs.search()}:{cache / 'lab-deb/usr/bin'}"
    if not shutil.which(name, path=path):
        with provision.lock(cache, print):
            needs._unpack(["prometheus"], cache / "lab-deb", print)
    return shutil.which(name, path=path) or name


def ask(*words: str, cwd: pathlib.Path) -> str:
    """What it says; empty when it has nothing to say against it."""
    done = subprocess.run([program(), *words], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    return "" if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"


def check(folder: pathlib.Path, files: Mapping[str, str]) -> str:
    """Whether these files of rules are good."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return ask("check", "rules", *files, cwd=folder)


def play(folder: pathlib.Path, files: Mapping[str, str], test: Mapping[str, Any], step: str = "10s") -> str:
    """One test with these rules; times begin with 1970."""
    for name, text in files.items():
        (folder / name).write_text(text)
    whole = {"rule_files": list(files), "evaluation_interval": step, "tests": [{"interval": step, **test}]}
    (folder / "test.yml").write_text(json.dumps(whole))
    return ask("test", "rules", "test.yml", cwd=folder)


class Prometheus:
    """A real one on loopback that scrapes itself and what it is told to, with the files of rules in its folder."""

    def __init__(
        self,
        folder: pathlib.Path,
        files: Mapping[str, str],
        scrapes: Sequence[Mapping[str, Any]] = (),
        interval: str = "1s",
    ) -> None:
        for name, text in files.items():
            (folder / name).write_text(text)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        self.url = f"http://{address}"
        itself = {"job_name": "prometheus", "static_configs": [{"targets": [address]}]}
        config = {
            "global": {"scrape_interval": interval, "evaluation_interval": interval},
            "rule_files": list(files),
            "scrape_configs": [itself, *scrapes],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        said = ask("check", "config", "prometheus.yml", cwd=folder)
        assert said == "", said
        words = ["--config.file=prometheus.yml", "--storage.tsdb.path=data", f"--web.listen-address={address}"]
        with (folder / "log").open("w") as log:
            self.child = subprocess.Popen([program("prometheus"), *words], cwd=folder, stdout=log, stderr=log)

    def text(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=30) as answer:
            return answer.read().decode()

    def data(self, path: str) -> Any:
        return json.loads(self.text(path))["data"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        return self.data(f"/api/v1/query?{urllib.parse.urlencode({'query': expr})}")["result"]

    def until(self, true: Callable[[], bool], what: str, limit: float = 30) -> None:
        """Looks again and again; while it starts it answers nobody."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                if true():
                    return
            time.sleep(0.2)
        raise TimeoutError(what)

    def close(self) -> None:
        self.child.terminate()
        self.child.wait(30)
