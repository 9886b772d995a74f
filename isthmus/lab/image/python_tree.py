"""The running Python as files of an image: interpreter, standard library, and the packages the control plane needs at run time.

In: this process's own Python and its installed packages. Out: {path in the image: file}, in layers that change at different speeds:
interpreter with standard library, packages, our own package. Bytecode is compiled beforehand, since a container can't write it, and
without the texts of modules and functions (`-OO`), which no process reads: that is 3 MB of memory each.
Never here: tests, packages only developers use, anything from outside this Python's own folders.
"""

import importlib.metadata
import os
import pathlib
import py_compile
import re
import sys
import sysconfig
import tomllib

from isthmus.lab.image import closure

HOME = "/usr/local"
PACKAGES = "/opt/isthmus/packages"
OURS = "/opt/isthmus/app"
SKIP = frozenset(
    [
        "test",
        "tests",
        "testing",
        "__pycache__",
        "site-packages",
        "dist-packages",
        "idlelib",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "lib2to3",
        "pydoc_data",
    ]
)
UNUSED = ("_tkinter.", "_test", "_ctypes_test", "xxlimited")  # native modules, and the windows they would bring along
OUR_SKIP = frozenset(("__pycache__", "go", "bin"))
OPTIMIZE = 2
"""What PYTHONOPTIMIZE must say in the image: the interpreter looks for bytecode of its own level alone."""
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def version() -> str:
    """As in `python3.11`."""
    return f"python{sys.version_info.major}.{sys.version_info.minor}"


def interpreter(cache: pathlib.Path) -> dict[str, pathlib.Path | str]:
    """Interpreter, standard library, and the shared libraries of both."""
    binary = pathlib.Path(sys.executable).resolve()
    stdlib = pathlib.Path(sysconfig.get_path("stdlib"))
    found: dict[str, pathlib.Path | str] = {
        f"{HOME}/bin/{version()}": binary,
        f"{HOME}/bin/python3": version(),
        f"{HOME}/bin/python": version(),
    }
    found |= tree(stdlib, f"{HOME}/lib/{version()}", cache, skip=SKIP)
    return {**closure.MERGED_USR, **found, **closure.of([binary, *_native(found)])}


def packages(cache: pathlib.Path, project: pathlib.Path) -> dict[str, pathlib.Path | str]:
    """What `isthmus` requires, and what that requires."""
    found: dict[str, pathlib.Path | str] = {}
    for dist in required(roots(project)):
        for file in dist.files or ():
            if ".." in file.parts or file.suffix in (".pyc", ".pyi") or SKIP.intersection(file.parts):
                continue
            source = pathlib.Path(str(dist.locate_file(file)))
            if source.is_file():
                found |= _with_bytecode(source, f"{PACKAGES}/{file}", cache)
    return {**found, **closure.of(_native(found))}


def ours(cache: pathlib.Path, package: pathlib.Path) -> dict[str, pathlib.Path | str]:
    """The isthmus package itself, without the lab's Go sources."""
    return dict(tree(package, f"{OURS}/{package.name}", cache, skip=OUR_SKIP))


def tree(
    folder: pathlib.Path, target: str, cache: pathlib.Path, *, skip: frozenset[str]
) -> dict[str, pathlib.Path | str]:
    """All files below `folder` but those in skipped folders; Python files with their bytecode."""
    found: dict[str, pathlib.Path | str] = {}
    for place, folders, files in os.walk(folder):
        parent = pathlib.Path(place)
        folders[:] = [f for f in folders if f not in skip and not f.startswith("config-")]
        for name in files:
            if not name.endswith((".pyc", ".a")) and not name.startswith(UNUSED):
                found |= _with_bytecode(parent / name, f"{target}/{(parent / name).relative_to(folder)}", cache)
    return found


def roots(project: pathlib.Path) -> list[str]:
    """The requirements of the isthmus package: from its installed metadata, or from the checkout's pyproject.toml."""
    file = project / "pyproject.toml"
    if file.exists():
        listed = tomllib.loads(file.read_text()).get("project", {}).get("dependencies", [])
        if listed:
            return [str(line) for line in listed]
    try:
        return importlib.metadata.requires("isthmus") or []
    except importlib.metadata.PackageNotFoundError:
        return []


def required(wanted: list[str]) -> list[importlib.metadata.Distribution]:
    """These requirements and all they require, without extras. A requirement that is not installed (another platform's) is left out."""
    found: dict[str, importlib.metadata.Distribution] = {}
    todo = [_name(line) for line in wanted if "extra ==" not in line]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        todo += [_name(line) for line in found[name].requires or [] if "extra ==" not in line]
    return [found[name] for name in sorted(found)]


def bytecode(source: pathlib.Path, shown: str, cache: pathlib.Path) -> pathlib.Path | None:
    """The compiled twin of a source, kept in the cache until the source changes; None for a source that doesn't compile."""
    seen = source.stat()
    file = cache / f"{sys.implementation.cache_tag}{shown}-{seen.st_size}-{seen.st_mtime_ns}-o{OPTIMIZE}.pyc"
    if not file.exists():
        for old in file.parent.glob(f"{source.name}-*.pyc"):
            old.unlink()
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        try:
            py_compile.compile(
                str(source), str(file), dfile=shown, doraise=True, optimize=OPTIMIZE, invalidation_mode=mode, quiet=1
            )
        except py_compile.PyCompileError:
            return None
    return file


def _with_bytecode(source: pathlib.Path, shown: str, cache: pathlib.Path) -> dict[str, pathlib.Path | str]:
    found: dict[str, pathlib.Path | str] = {shown: source.resolve()}
    if source.suffix == ".py":
        compiled = bytecode(source, shown, cache)
        if compiled:
            at = pathlib.PurePosixPath(shown)
            found[f"{at.parent}/__pycache__/{at.stem}.{sys.implementation.cache_tag}.opt-{OPTIMIZE}.pyc"] = compiled
    return found


def _native(files: dict[str, pathlib.Path | str]) -> list[pathlib.Path]:
    return [source for source in files.values() if isinstance(source, pathlib.Path) and (".so" in source.suffixes)]


def _name(line: str) -> str:
    found = _NAME.match(line)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else ""
