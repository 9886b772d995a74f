"""The proxy built by a profile of its own work: once so that it counts, loaded as the bench loads it, then again. `make tuned` (root).

In: the sources, rustup's llvm-tools (a profile's format is the compiler's own), the bench's programs. Out: `isthmus-proxy` and
`isthmus-init` in BIN, for whoever says ISTHMUS_PREBUILT. Never here: a figure, a change of `proxy/target/release`.
"""

import os
import pathlib
import shutil
import signal
import subprocess

from bench.ground import loads, programs, stage, work
from isthmus import errors

PROXY = pathlib.Path(__file__).parent.parent / "proxy"
FOLDER = PROXY / "target" / "tuned"
RAW, PROFILE, BIN = FOLDER / "raw", FOLDER / "proxy.profdata", FOLDER / "bin"
NAMES = ("isthmus-proxy", "isthmus-init")
SECONDS = 2
"""Of each load."""
ENDING = 20
"""The drain of connections that stay open, and the profile's way to the disk."""


def said(*words: str) -> str:
    """A program's answer."""
    return subprocess.run(words, cwd=PROXY, capture_output=True, text=True, check=True).stdout


def host() -> str:
    """What rustc builds for: named, it keeps the flags from build scripts and macros."""
    return next(line.split()[1] for line in said("rustc", "-vV").splitlines() if line.startswith("host:"))


def merge(target: str) -> None:
    """RAW into PROFILE, by the program that came with rustc (`tools/needs` has seen it)."""
    tools = pathlib.Path(said("rustc", "--print", "sysroot").strip()) / "lib/rustlib" / target / "bin"
    subprocess.run([tools / "llvm-profdata", "merge", "-o", PROFILE, *RAW.glob("*.profraw")], check=True)


def build(target: str, flag: str, into: pathlib.Path) -> None:
    """Both programs with that flag of rustc, in `into`."""
    env = os.environ | {"RUSTFLAGS": flag, "CARGO_TARGET_DIR": str(FOLDER / "build")}
    packages = [word for name in NAMES for word in ("-p", name)]
    subprocess.run(
        ["cargo", "build", "--release", "--locked", "--target", target, *packages], cwd=PROXY, env=env, check=True
    )
    into.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        shutil.copy2(FOLDER / "build" / target / "release" / name, into / name)


def load(counting: pathlib.Path) -> None:
    """Every closed loop of the bench through a pair that counts; its profiles lie in RAW afterwards."""
    os.environ["ISTHMUS_PREBUILT"] = str(counting)
    loads.SECONDS = SECONDS
    made = stage.open_stage(programs.find(), ["isthmus"])
    try:
        for row in (row for row in work.ROWS if row.tool != "rate"):
            loads.run(made, "isthmus", row)
            print(f"== tuned: {row.title}", flush=True)
        for child in made.pairs["isthmus"]:
            if child.end(signal.SIGTERM, ENDING):
                raise errors.IsthmusError("the counting proxy did not end well", hint=child.log.read_text()[-500:])
    finally:
        made.close()


def main() -> None:
    """Count, merge, build."""
    target = host()
    shutil.rmtree(RAW, ignore_errors=True)
    RAW.mkdir(parents=True)
    # The proxies run as a user of their own.
    RAW.chmod(0o777)
    print("== tuned: a build that counts (some minutes)", flush=True)
    build(target, f"-Cprofile-generate={RAW}", FOLDER / "counting")
    load(FOLDER / "counting")
    merge(target)
    print("== tuned: a build by that profile", flush=True)
    build(target, f"-Cprofile-use={PROFILE}", BIN)
    print(f"== tuned: ISTHMUS_PREBUILT={BIN}")


if __name__ == "__main__":
    main()
