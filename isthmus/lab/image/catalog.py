"""Which images there are and what is in them. In: the folders of this installation. Out: archives in the cache, one for each image.

Every image of ours has two names: `localhost/isthmus-X:VERSION`, which install uses by default, and `...:VERSION-HASH`, which changes
with the content, so that a Deployment that names it is rolled when the content changes. The helpers `pause` and `coredns` have one.
Never here: loading (`node/load.py`). An image whose parts are not built is left out, with the reason.
"""

import dataclasses
import hashlib
import pathlib
import platform
import sys
import time
from collections.abc import Callable

import isthmus
from isthmus.lab import needs
from isthmus.lab.image import closure, oci, python_tree
from isthmus.lab.node import configs

OURS = ("control", "proxy", "demo", "prometheus")
SBIN = [pathlib.Path(p) for p in ("/usr/sbin", "/sbin", "/usr/bin", "/bin")]
# (program, the names it goes by): redirect rules are set by whichever of these the init container finds.
IPTABLES = {
    "xtables-nft-multi": [
        f"{name}{verb}" for name in ("iptables", "iptables-nft") for verb in ("", "-save", "-restore")
    ],
    "xtables-legacy-multi": [f"iptables-legacy{verb}" for verb in ("", "-save", "-restore")],
}
STILL_READ = 600.0  # seconds in which another lab may still be loading an archive that is no longer current
PATH = oci.Config(()).env
LOADER = f"LD_LIBRARY_PATH={closure.OWN_LIBRARIES}"
PYTHON = (
    f"PYTHONPATH={python_tree.OURS}:{python_tree.PACKAGES}",
    "PYTHONUNBUFFERED=1",
    "PYTHONDONTWRITEBYTECODE=1",
    f"PYTHONOPTIMIZE={python_tree.OPTIMIZE}",
    "MALLOC_TRIM_THRESHOLD_=131072",  # glibc's own, but fixed: it would grow, and what a burst needed would be kept
)
CONFIGS = {
    "control": oci.Config(
        (f"{python_tree.HOME}/bin/python3", "-m", "isthmus"),
        (*PATH, LOADER, f"PYTHONHOME={python_tree.HOME}", *PYTHON),
        user="2103",
    ),
    "proxy": oci.Config(("/usr/local/bin/isthmus-proxy",), (*PATH, LOADER), user="2102"),
    "demo": oci.Config(("/usr/local/bin/demo",), user="10001"),
    "prometheus": oci.Config(("/usr/bin/prometheus",), (*PATH, LOADER), user="2103"),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Where images are made from and kept: the package, the lab's Go binaries, the cache; what was unpacked from the distribution."""

    package: pathlib.Path
    bin: pathlib.Path
    cache: pathlib.Path
    debs: pathlib.Path = pathlib.Path("/nowhere")

    @property
    def project(self) -> pathlib.Path:
        """The checkout, where there is one."""
        return self.package.parent


@dataclasses.dataclass(frozen=True, slots=True)
class Image:
    """A built image: its archive and names, the last of which changes with the content."""

    archive: pathlib.Path
    names: tuple[str, ...]


def places(cache: pathlib.Path, binaries: pathlib.Path) -> Places:
    """The places of this installation."""
    return Places(pathlib.Path(isthmus.__file__).parent, binaries, cache / "images", cache / needs.DEBS)


def build(p: Places, say: Callable[[str], None]) -> list[Image]:
    """All images that can be built from what is there, the helpers first; `say` gets a sentence for each one left out."""
    made = [_helper(p, "pause", configs.PAUSE), _helper(p, "coredns", configs.COREDNS)]
    for name in OURS:
        try:
            made.append(one(p, name))
        except closure.Missing as lost:
            say(f"image isthmus-{name} is left out: {lost} is missing")
    oci.tidy(p.cache / "layers")
    return made


def lost(made: list[Image]) -> list[str]:
    """Which images of ours `build` left out, beside the one that everything but measuring does without."""
    names = [f"isthmus-{name}" for name in OURS if name not in needs.OPTIONAL]
    return [name for name in names if not any(f"/{name}:" in image.names[0] for image in made)]


def one(p: Places, name: str) -> Image:
    """One image of ours. Raises closure.Missing with what it lacks."""
    contents = {"control": _control, "proxy": _proxy, "demo": _demo, "prometheus": _prometheus}[name]
    layers, config = contents(p), CONFIGS[name]
    kept = [oci.layer(files, p.cache / "layers") for files in layers]
    digest = hashlib.sha256("".join(x.digest for x in kept).encode() + repr(config).encode()).hexdigest()[:10]
    base = f"localhost/isthmus-{name}:{isthmus.__version__}"
    return _archive(p, f"isthmus-{name}", (base, f"{base}-{digest}"), kept, config, digest)


def binary(p: Places, name: str) -> pathlib.Path:
    """A Rust binary of ours: of the checkout, of the package, or beside this Python; the newest. Raises closure.Missing."""
    places = [
        p.project / "proxy/target/release" / name,
        p.package / "bin" / name,
        pathlib.Path(sys.executable).parent / name,
    ]
    found = [place for place in places if place.is_file()]
    if not found:
        raise closure.Missing(f"the program {name} (build it: make proxy)")
    return max(found, key=lambda place: place.stat().st_mtime)


def _control(p: Places) -> list[oci.Files]:
    compiled = p.cache / "bytecode"
    packages = python_tree.packages(compiled, p.project)
    if not packages:
        raise closure.Missing("the list of requirements (pip install the isthmus package)")
    if not (p.package / "rpc").is_dir():
        raise closure.Missing("isthmus/rpc (made by: make test)")
    base: dict[str, oci.Source] = {**python_tree.interpreter(compiled), f"/{oci.SCRATCH}": None}
    return [base, packages, python_tree.ours(compiled, p.package)]


def _proxy(p: Places) -> list[oci.Files]:
    own = {f"/usr/local/bin/{name}": binary(p, name) for name in ("isthmus-proxy", "isthmus-init")}
    tools: dict[str, oci.Source] = {
        **closure.MERGED_USR,
        **closure.tools([*IPTABLES, "nft"], SBIN),
        **closure.of(list(own.values())),
    }
    tools |= {f"/usr/sbin/{name}": program for program, names in IPTABLES.items() for name in names}
    return [tools | _extensions() | {"/run": None}, own]


def _demo(p: Places) -> list[oci.Files]:
    if not (p.bin / "demo").exists():
        raise closure.Missing("the lab's program demo (make lab-binaries)")
    return [{"/usr/local/bin/demo": p.bin / "demo"}]


def _prometheus(p: Places) -> list[oci.Files]:
    """Debian's, as it is unpacked or installed here."""
    found = [place for place in (p.debs / "usr/bin/prometheus", pathlib.Path("/usr/bin/prometheus")) if place.is_file()]
    if not found:
        raise closure.Missing("the program prometheus (of Debian's package of that name)")
    return [{**closure.MERGED_USR, **closure.of(found[:1]), "/data": None}, {"/usr/bin/prometheus": found[0]}]


def _extensions() -> dict[str, oci.Source]:
    """The matches and targets iptables loads at run time, which `ldd` does not see."""
    found: dict[str, oci.Source] = {}
    for folder in pathlib.Path("/usr/lib").glob("**/xtables"):
        files = list(folder.glob("*.so"))
        found |= {str(file): file.resolve() for file in files}
        found |= closure.of(files)
    return found


def _helper(p: Places, program: str, name: str) -> Image:
    kept = [oci.layer({f"/{program}": p.bin / program}, p.cache / "layers")]
    return _archive(p, program, (name,), kept, oci.Config((f"/{program}",)), kept[0].digest[7:17])


def _archive(
    p: Places, stem: str, names: tuple[str, ...], kept: list[oci.Layer], config: oci.Config, digest: str
) -> Image:
    file = p.cache / f"{stem}-{digest}.tar"
    if not file.exists():
        oci.write(file, list(names), kept, config, platform.machine())
        for old in p.cache.glob(f"{stem}-*.tar"):
            if old != file and time.time() - old.stat().st_mtime > STILL_READ:
                old.unlink()
    return Image(file, names)
