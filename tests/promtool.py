"""Prometheus' own judge of rules and configurations. In: texts. Out: what `promtool` says.

It is in Debian's package `prometheus`, which is unpacked into the cache that labs share; nothing is installed.
"""

import functools
import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from isthmus.lab import layout, needs, provision


@functools.cache
def program() -> str:
    cache = layout.cache_dir(os.environ)
    path = f"{needs.search()}:{cache / 'lab-deb/usr/bin'}"
    if not shutil.which("promtool", path=path):
        with provision.lock(cache, print):
            needs._unpack(["prometheus"], cache / "lab-deb", print)
    return shutil.which("promtool", path=path) or "promtool"


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
