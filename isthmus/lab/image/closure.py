"""A program and the shared libraries it loads, as files of an image. In: programs of this machine. Out: {path in the image: file}.

`ldd` names the libraries. Those in a standard folder keep their path; others (a Python built beside the distribution's) go to
`OWN_LIBRARIES`, which the image's environment lets the loader search. Never here: copying, or running the programs themselves.
"""

import pathlib
import re
import subprocess

OWN_LIBRARIES = "/usr/local/lib/isthmus-libs"
STANDARD = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
MERGED_USR = {"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64"}
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")
_MISSING = re.compile(r"(\S+) => not found")


class Missing(Exception):
    """A library a program wants is not on this machine."""


def libraries(ldd: str) -> list[str]:
    """The paths in the output of ldd. Raises Missing."""
    lost = _MISSING.search(ldd)
    if lost:
        raise Missing(lost[1])
    return _LIBRARY.findall(ldd)


def of(programs: list[pathlib.Path], *, ldd: str = "ldd") -> dict[str, pathlib.Path]:
    """The libraries of these programs, each at the path where the image's loader finds it. Static programs have none."""
    found: dict[str, pathlib.Path] = {}
    for start in range(0, len(programs), 200):
        done = subprocess.run(
            [ldd, *map(str, programs[start : start + 200])], capture_output=True, text=True, check=False
        )
        for path in libraries(done.stdout):
            found[target(path)] = pathlib.Path(path).resolve()
    return found


def target(path: str) -> str:
    """Where a library goes: below /usr (the images have a merged /usr), or among our own."""
    if path.startswith(("/lib/", "/lib64/")):
        return "/usr" + path
    return path if path.startswith(STANDARD) else f"{OWN_LIBRARIES}/{pathlib.PurePosixPath(path).name}"


def tools(names: list[str], search: list[pathlib.Path]) -> dict[str, pathlib.Path | str]:
    """Programs of the distribution by name, with their libraries; links to them stay links (`iptables-nft` > `xtables-nft-multi`)."""
    found: dict[str, pathlib.Path | str] = {}
    real: list[pathlib.Path] = []
    for name in names:
        program = next((folder / name for folder in search if (folder / name).exists()), None)
        if program is None:
            raise Missing(name)
        file = program.resolve()
        found[f"/usr/sbin/{file.name}"] = file
        if file.name != name:
            found[f"/usr/sbin/{name}"] = file.name
        real.append(file)
    return {**found, **of(real)}
