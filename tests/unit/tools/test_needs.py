"""What `make` says of a machine that lacks something, before it builds: one sentence, or apt-get when root."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[3]
BASH = shutil.which("bash") or "/bin/bash"
NOBODY = 65534
FINE = "exit 0"
RUSTUP = "install it with rustup"
PYTHON = {"python3": FINE}
RUST = {"cargo": FINE, "rustc": "echo 'rustc 1.95.0 (f2d3ce0bd 2026-03-21)'"}
# An apt-get that makes the last package's program, so that the second look finds it.
APT = {
    "apt-get": """echo "$*" >> "$HOME/asked"; case "$*" in *tcpdump) cp "$HOME/bin/cc" "$HOME/bin/tcpdump" ;; esac"""
}
STALE = {"apt-get": """echo "$*" >> "$HOME/asked"; [ "$1" = update ] && : > "$HOME/fresh"; [ -e "$HOME/fresh" ]"""}


@pytest.fixture
def house() -> Iterator[pathlib.Path]:
    """A folder like the checkout that everybody may read (pytest's own are the user's alone), with an empty PATH folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in ("tools", "proxy", "bin"):
            (folder / part).mkdir()
        shutil.copy(ROOT / "tools/needs", folder / "tools")
        (folder / "proxy/Cargo.toml").write_text('[workspace.package]\nedition = "2024"\nrust-version = "1.90"\n')
        folder.chmod(0o755)
        yield folder


def needs(house: pathlib.Path, programs: dict[str, str], words: str, *, user: int | None = None) -> tuple[int, str]:
    """Exit code and all that was said, on a machine with these programs and no other."""
    for name, body in programs.items():
        (house / "bin" / name).write_text(f"#!{BASH}\n{body}\n")
        (house / "bin" / name).chmod(0o755)
    if cp := shutil.which("cp"):
        (house / "bin/cp").symlink_to(cp)
    env = {"PATH": str(house / "bin"), "HOME": str(house)}
    command = [BASH, str(house / "tools/needs"), *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, user=user, cwd="/")
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "programs, words, says",
    [
        ({}, "demo python", "needs packages that are not here: python3 python3-venv (Debian's names): install them"),
        ({"python3": "exit 1"}, "demo python", "Python 3.11 or newer and python3 is older"),
        ({"python3": '[[ "$2" != *venv* ]]'}, "demo python", "not here: python3-venv (Debian's names)"),
        ({}, "demo rust", f"needs Rust 1.90 or newer for its proxy: {RUSTUP}"),
        ({"cargo": FINE}, "demo rust", f"needs Rust 1.90 or newer for its proxy: {RUSTUP}"),
        (RUST | {"rustc": "echo 'rustc 1.89.9'"}, "demo rust", f"rustc is 1.89: {RUSTUP}"),
        (RUST | {"rustc": "echo 'rustc 1.63.0 (Debian)'"}, "demo rust", "or newer and rustc is 1.63"),
        (RUST | {"rustc": "echo no default; exit 1"}, "demo rust", "rustc does not run (no default): mend it"),
        (RUST | {"rustc": "echo rustc dev"}, "demo rust", "rustc does not say its version (rustc dev)"),
        (RUST | {"cargo": "exit 101"}, "check lint", "make check needs clippy and rustfmt: run 'rustup component add"),
        (
            RUST,
            "tuned rust profdata",
            "make tuned needs rustc's own llvm-profdata: run 'rustup component add llvm-tools'",
        ),
        ({}, "demo cc", "not here: gcc libc6-dev (Debian's names)"),
        ({"cc": "exit 1"}, "demo cc", "not here: gcc libc6-dev (Debian's names)"),
        ({}, "test chromium", "not here: chromium (Debian's names)"),
        ({}, "test cc tcpdump", "not here: gcc libc6-dev tcpdump (Debian's names)"),
    ],
)
def test_what_is_missing_is_one_sentence(house: pathlib.Path, programs: dict[str, str], words: str, says: str) -> None:
    code, said = needs(house, programs, words)
    assert code == 1
    assert says in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("version", ["rustc 1.90.0", "warning: a remark\nrustc 1.100.1-nightly", "rustc 2.0.0"])
def test_a_machine_with_everything_is_left_in_peace(house: pathlib.Path, version: str) -> None:
    programs = PYTHON | RUST | {"rustc": f"echo '{version}'", "cc": "exit 0", "tcpdump": FINE}
    assert needs(house, programs, "demo python rust lint cc tcpdump") == (0, "")


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else, which root alone may")
@pytest.mark.parametrize("target", ["demo", "test"])
def test_who_is_not_root_hears_it_first(house: pathlib.Path, target: str) -> None:
    code, said = needs(house, {}, f"{target} root python rust cc", user=NOBODY)
    assert (code, said.count("\n")) == (1, 1)
    assert f"run it as 'sudo make {target}'" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="apt-get is for root")
@pytest.mark.parametrize(
    "programs, words, code, asked",
    [
        (APT | {"cc": "exit 0"}, "test root cc tcpdump", 0, ["install tcpdump"]),
        (STALE | {"cc": "exit 0"}, "test root tcpdump", 1, ["install tcpdump", "update", "install tcpdump"]),
        ({"apt-get": 'echo "$*" >> "$HOME/asked"; exit 100'}, "demo cc", 1, ["install gcc libc6-dev", "update"]),
        (APT, "demo rust", 1, []),
    ],
    ids=["installed", "lists-are-old", "apt-fails", "rust-is-never-installed"],
)
def test_root_has_packages_installed(
    house: pathlib.Path, programs: dict[str, str], words: str, code: int, asked: list[str]
) -> None:
    result, said = needs(house, programs, words)
    log = house / "asked"
    calls = [re.sub(r" -\S+", "", line) for line in log.read_text().splitlines()] if log.exists() else []
    assert (result, calls) == (code, asked), said


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes somebody else, which root alone may")
def test_nobody_else_calls_apt_get(house: pathlib.Path) -> None:
    code, said = needs(house, APT, "demo cc", user=NOBODY)
    assert code == 1
    assert "not here: gcc libc6-dev" in said
    assert not (house / "asked").exists()


def test_the_stated_rust_is_new_enough_for_every_crate() -> None:
    """Asked of cargo without network; a crate of another platform is not looked at."""
    stated = tomllib.loads((ROOT / "proxy/Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    words = ["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform=x86_64-unknown-linux-gnu"]
    done = subprocess.run(["cargo", *words], cwd=ROOT / "proxy", capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("the crates are not fetched yet: make proxy")

    def number(version: str) -> tuple[int, ...]:
        return tuple(map(int, version.split(".")[:2]))

    asked = {p["name"]: p["rust_version"] for p in json.loads(done.stdout)["packages"] if p["rust_version"]}
    assert {name: v for name, v in asked.items() if number(v) > number(stated)} == {}
    assert number(max(asked.values(), key=number)) == number(stated)


def targets(dry: str) -> list[str]:
    return [line for line in dry.splitlines() if "tools/needs" in line]


@pytest.mark.parametrize("target", ["demo", "test", "check"])
def test_the_menu_looks_before_it_builds(target: str) -> None:
    dry = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first = next(line for line in dry.splitlines() if line.strip())
    assert f"tools/needs {target} " in first
    assert ("root" in first) == (target != "check")


def test_sudo_finds_the_callers_rust(tmp_path: pathlib.Path) -> None:
    """The caller here is root itself: what counts is that its folder is searched though PATH does not name it."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SUDO_USER": "root"}
    line = "all: ; @echo $$PATH"
    done = subprocess.run(
        ["make", "-f", "Makefile", "-f", "-", "all"],
        input=line,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split(":")[0] == "/root/.cargo/bin"
    assert f"{tmp_path}/.cargo/bin" in done.stdout.split(":")
