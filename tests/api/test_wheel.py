"""What `pip install .` puts on a machine. Built as pip builds it, without network and without cargo: the binaries are there already."""

import importlib.machinery
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig

import pytest

import isthmus

ROOT = pathlib.Path(__file__).parents[2]
BINARIES = ("isthmus-proxy", "isthmus-init")


def run(*words: str | pathlib.Path, env: dict[str, str] | None = None, limit: float = 120) -> str:
    line = [str(word) for word in words]
    done = subprocess.run(line, capture_output=True, text=True, env=env, timeout=limit, check=False, cwd="/")
    assert done.returncode == 0, f"{' '.join(line)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def tracked(*under: str) -> list[str]:
    return run("git", "-C", ROOT, "ls-files", "-z", *under).rstrip("\0").split("\0")


def prebuilt(scratch: pathlib.Path) -> pathlib.Path:
    """The release build where there is one, else stand-ins: what counts here is where they arrive."""
    release = ROOT / "proxy/target/release"
    if all((release / name).exists() for name in BINARIES):
        return release
    for name in BINARIES:
        scratch.mkdir(exist_ok=True)
        (scratch / name).write_text(f"#!/bin/sh\necho {name} {isthmus.__version__}\n")
        (scratch / name).chmod(0o755)
    return scratch


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The wheel of what git tracks, so that nothing of this checkout's own builds comes in."""
    base = tmp_path_factory.mktemp("wheel")
    for name in tracked():
        (base / "source" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, base / "source" / name)
    env = os.environ | {"ISTHMUS_PREBUILT": str(prebuilt(base / "stand-ins"))}
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", base / "out", base / "source", env=env)
    (made,) = (base / "out").iterdir()
    return made


@pytest.fixture(scope="module")
def venv(wheel: pathlib.Path) -> pathlib.Path:
    """A fresh virtual environment with the wheel alone; what it requires is lent by this test's own Python (see `lent`)."""
    folder = wheel.parent.parent / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--python",
        folder / "bin/python",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
    )
    run(*pip, wheel)
    return folder


def package(venv: pathlib.Path) -> pathlib.Path:
    return next(venv.glob("lib/python*/site-packages/isthmus"))


def lent(venv: pathlib.Path) -> dict[str, str]:
    """An environment in which the packages of this Python are found after the virtual environment's own.

    The checkout itself is not among them: it stands in a .pth file, which only a site folder's own interpreter reads.
    """
    scripts = f"{venv / 'bin'}:{os.environ['PATH']}"
    return {"PATH": scripts, "HOME": str(venv), "PYTHONPATH": f"{package(venv).parent}:{sysconfig.get_path('purelib')}"}


def test_the_wheel_is_for_this_kind_of_machine(wheel: pathlib.Path) -> None:
    assert wheel.name.startswith(f"isthmus-{isthmus.__version__}-")
    assert "-none-any" not in wheel.name, "it carries programs"
    assert "linux" in wheel.name


def test_every_file_of_the_package_arrives(venv: pathlib.Path) -> None:
    """Python files, the lab's Go sources, the custom resources, the mark of types."""
    expected = {pathlib.PurePath(name).relative_to("isthmus").as_posix() for name in tracked("isthmus")}
    assert {".py", ".go", ".sum", ".yaml", ".typed"} <= {pathlib.PurePath(name).suffix for name in expected}
    assert sorted(name for name in expected if not (package(venv) / name).is_file()) == []


@pytest.mark.parametrize("name", ["destination", "identity", "inbound", "outbound", "net", "http_route", "tap"])
def test_the_messages_are_generated_with_their_types(venv: pathlib.Path, name: str) -> None:
    rpc = package(venv) / "rpc"
    assert (rpc / f"{name}_pb2.py").is_file() and (rpc / f"{name}_pb2.pyi").is_file()
    assert (rpc / f"{name}_grpc.py").is_file() == (name not in ("net", "http_route"))


@pytest.mark.parametrize("name", BINARIES)
def test_the_programs_are_there_and_run(venv: pathlib.Path, name: str) -> None:
    program = venv / "bin" / name
    assert os.access(program, os.X_OK)
    assert run(program, "--version").strip() == f"{name} {isthmus.__version__}"


@pytest.mark.parametrize(
    "words, says",
    [
        (["version", "--client"], f"Client version: {isthmus.__version__}"),
        (["install", "--crds", "--ignore-cluster"], "kind: CustomResourceDefinition"),
        (["lab", "--help"], "Real Kubernetes clusters"),
    ],
)
def test_the_console_script_works_from_the_wheel(venv: pathlib.Path, words: list[str], says: str) -> None:
    assert says in run(venv / "bin/isthmus", *words, env=lent(venv))


def test_it_is_the_wheels_own_code_that_ran(venv: pathlib.Path) -> None:
    where = run(venv / "bin/python", "-c", "import isthmus; print(isthmus.__file__)", env=lent(venv))
    assert pathlib.Path(where.strip()).parent == package(venv)


def test_the_lab_finds_the_wheels_programs(venv: pathlib.Path) -> None:
    """As `isthmus lab images` looks for them: there is no checkout around an installed package."""
    code = (
        "import pathlib; from isthmus.lab.image import catalog; p = catalog.places(pathlib.Path('/x'), pathlib.Path('/y'));"
        " print(*(catalog.binary(p, n) for n in ('isthmus-proxy', 'isthmus-init')))"
    )
    assert run(venv / "bin/python", "-c", code, env=lent(venv)).split() == [str(venv / "bin" / n) for n in BINARIES]


def test_nothing_else_is_installed(venv: pathlib.Path) -> None:
    site = package(venv).parent
    assert {path.name for path in site.iterdir()} == {"isthmus", f"isthmus-{isthmus.__version__}.dist-info"}
    built = [path for path in package(venv).rglob("*") if path.suffix in importlib.machinery.EXTENSION_SUFFIXES]
    assert built == []


def test_a_folder_without_the_programs_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "isthmus-proxy").touch()
    code = "import runpy, sys; sys.argv = ['setup.py', 'build_rust']; runpy.run_path('setup.py', run_name='__main__')"
    env = os.environ | {"ISTHMUS_PREBUILT": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "which has no isthmus-init" in done.stderr
