"""OCI image archives: a tar of layers, a config, a manifest and an index.

In: files by their path in the image. Out: archives, and the names in them.

Layers are uncompressed, with sorted entries and no times, so that the same content makes the same digest everywhere. They are kept
in a folder under a fingerprint of what they are made from; a later build takes them from there. Limit: `KEEP` layers, the oldest go.
Never here: what is in which image (`catalog.py`).
"""

import dataclasses
import hashlib
import io
import json
import pathlib
import tarfile
from collections.abc import Mapping
from typing import Any

KEEP = 24
SCRATCH = "tmp"  # the one folder everybody may write to
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}

# What a path in an image is made from: a file, the target of a symbolic link, bytes, or None for a folder.
Source = pathlib.Path | str | bytes | None
Files = Mapping[str, Source] | Mapping[str, pathlib.Path] | Mapping[str, pathlib.Path | str]


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """A layer's tar file on disk and what an image says of it."""

    file: pathlib.Path
    digest: str
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """What an image runs: entry point, environment, user, working folder."""

    entrypoint: tuple[str, ...]
    env: tuple[str, ...] = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    user: str = ""
    folder: str = "/"


def fingerprint(files: Files) -> str:
    """A hash of what a layer is made from: content where it is given, else size, time and mode of the file."""
    said = hashlib.sha256()
    for path, source in sorted(files.items()):
        said.update(f"{path}\0".encode())
        if isinstance(source, pathlib.Path):
            seen = source.stat()
            said.update(f"{source}\0{seen.st_size}\0{seen.st_mtime_ns}\0{seen.st_mode}".encode())
        else:
            said.update(repr(source).encode())
    return said.hexdigest()[:24]


def layer(files: Files, folder: pathlib.Path) -> Layer:
    """The layer of these files, written below `folder` unless it is there already."""
    folder.mkdir(parents=True, exist_ok=True)
    name = fingerprint(files)
    file, note = folder / f"{name}.tar", folder / f"{name}.json"
    if not note.exists():
        with file.open("wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path, source in sorted(_with_folders(files).items()):
                _add(tar, path.strip("/"), source)
        with file.open("rb") as written:
            digest = hashlib.file_digest(written, "sha256").hexdigest()
        note.write_text(json.dumps({"digest": f"sha256:{digest}", "size": file.stat().st_size}))
    note.touch()  # its age says when it was last wanted
    said = json.loads(note.read_text())
    return Layer(file, said["digest"], said["size"])


def tidy(folder: pathlib.Path) -> None:
    """Remove all but the layers that were wanted last."""
    notes = sorted(folder.glob("*.json"), key=lambda note: note.stat().st_mtime, reverse=True)
    for note in notes[KEEP:]:
        note.unlink()
        note.with_suffix(".tar").unlink(missing_ok=True)


def manifest(layers: list[Layer], config: Config, machine: str) -> tuple[dict[str, object], dict[str, bytes]]:
    """The manifest's descriptor, and the blobs an archive needs besides its layers, as {digest: bytes}."""
    blobs: dict[str, bytes] = {}

    def blob(value: object, kind: str) -> dict[str, object]:
        data = json.dumps(value, sort_keys=True).encode()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        blobs[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}+json", "digest": digest, "size": len(data)}

    runs: dict[str, object] = {
        "Entrypoint": list(config.entrypoint),
        "Env": list(config.env),
        "WorkingDir": config.folder,
    }
    if config.user:
        runs["User"] = config.user
    rootfs = {"type": "layers", "diff_ids": [part.digest for part in layers]}
    said = blob(
        {"architecture": ARCH.get(machine, machine), "os": "linux", "config": runs, "rootfs": rootfs}, "config.v1"
    )
    parts = [
        {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": x.digest, "size": x.size} for x in layers
    ]
    kind = "application/vnd.oci.image.manifest.v1+json"
    return blob({"schemaVersion": 2, "mediaType": kind, "config": said, "layers": parts}, "manifest.v1"), blobs


def write(file: pathlib.Path, names: list[str], layers: list[Layer], config: Config, machine: str) -> None:
    """Write the archive; every name is a full reference, as `localhost/isthmus-proxy:0.1.0`. The index comes first: see `names`."""
    descriptor, blobs = manifest(layers, config, machine)
    listed = [
        descriptor
        | {"annotations": {"io.containerd.image.name": n, "org.opencontainers.image.ref.name": n.rpartition(":")[2]}}
        for n in names
    ]
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed}
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_suffix(".partial")
    with tarfile.open(partial, "w") as tar:
        _add(tar, "index.json", json.dumps(index).encode())
        _add(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        for digest, data in blobs.items():
            _add(tar, _blob(digest), data)
        for part in {x.digest: x for x in layers}.values():
            _add(tar, _blob(part.digest), part.file)
    partial.rename(file)


def names(file: pathlib.Path) -> dict[str, str]:
    """{name: manifest digest} of an archive. Raises OSError or ValueError when it is not one."""
    try:
        with tarfile.open(file) as tar:
            member = tar.extractfile("index.json")
            listed: list[dict[str, Any]] = json.load(member)["manifests"] if member else []
        return {x["annotations"]["io.containerd.image.name"]: x["digest"] for x in listed}
    except (tarfile.TarError, KeyError, TypeError) as error:
        raise ValueError(f"{file} is not an OCI archive with named images") from error


def _with_folders(files: Files) -> dict[str, Source]:
    found: dict[str, Source] = {}
    for path, source in files.items():
        for parent in pathlib.PurePosixPath("/", path.strip("/")).parents:
            if str(parent) != "/":
                found.setdefault(str(parent), None)
        found[f"/{path.strip('/')}"] = source
    return found


def _add(tar: tarfile.TarFile, path: str, source: Source) -> None:
    info = tarfile.TarInfo(path)
    if source is None:
        info.type, info.mode = tarfile.DIRTYPE, 0o1777 if path == SCRATCH else 0o755
        tar.addfile(info)
    elif isinstance(source, str):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, source, 0o777
        tar.addfile(info)
    elif isinstance(source, bytes):
        info.size, info.mode = len(source), 0o644
        tar.addfile(info, io.BytesIO(source))
    else:
        seen = source.stat()
        info.size, info.mode = seen.st_size, 0o755 if seen.st_mode & 0o111 else 0o644
        with source.open("rb") as data:
            tar.addfile(info, data)


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")
