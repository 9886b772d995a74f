"""OCI archives: what they hold, that the same content makes the same digest."""

import hashlib
import json
import os
import pathlib
import tarfile

import pytest

from isthmus.lab.image import oci

NAMES = ["localhost/x:1", "localhost/x:1-abc"]


def files(tmp_path: pathlib.Path, *, when: int = 1) -> oci.Files:
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    os.utime(program, ns=(when, when))
    return {"/usr/bin/program": program, "/bin": "usr/bin", "/etc/hosts": b"127.0.0.1 localhost\n", "/tmp": None}


def archive(tmp_path: pathlib.Path) -> dict[str, bytes]:
    layer = oci.layer(files(tmp_path), tmp_path / "layers")
    oci.write(tmp_path / "x.tar", NAMES, [layer], oci.Config(("/usr/bin/program",), user="7"), "x86_64")
    with tarfile.open(tmp_path / "x.tar") as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


def test_every_blob_is_what_its_digest_says(tmp_path: pathlib.Path) -> None:
    blobs = {name: data for name, data in archive(tmp_path).items() if name.startswith("blobs/")}
    assert len(blobs) == 3
    assert all(hashlib.sha256(data).hexdigest() == name.rpartition("/")[2] for name, data in blobs.items())


def test_both_names_lead_to_the_program(tmp_path: pathlib.Path) -> None:
    held = archive(tmp_path)
    digests = set(oci.names(tmp_path / "x.tar").values())
    assert list(oci.names(tmp_path / "x.tar")) == NAMES
    manifest = json.loads(held["blobs/" + digests.pop().replace(":", "/")])
    config = json.loads(held["blobs/" + manifest["config"]["digest"].replace(":", "/")])
    assert (config["architecture"], config["config"]["User"], config["config"]["Entrypoint"]) == (
        "amd64",
        "7",
        ["/usr/bin/program"],
    )
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    assert not digests


def test_a_layer_has_folders_links_and_modes(tmp_path: pathlib.Path) -> None:
    with tarfile.open(oci.layer(files(tmp_path), tmp_path / "layers").file) as tar:
        seen = {m.name: (m.type, m.mode, m.mtime) for m in tar}
    assert seen["usr/bin"] == (tarfile.DIRTYPE, 0o755, 0)
    assert seen["usr/bin/program"] == (tarfile.REGTYPE, 0o755, 0)
    assert seen["etc/hosts"] == (tarfile.REGTYPE, 0o644, 0)
    assert (seen["bin"][0], seen["tmp"][1]) == (tarfile.SYMTYPE, 0o1777)


def test_times_do_not_change_a_digest(tmp_path: pathlib.Path) -> None:
    first = oci.layer(files(tmp_path, when=1), tmp_path / "one")
    second = oci.layer(files(tmp_path, when=10**18), tmp_path / "two")
    assert first.digest == second.digest
    assert first.file.name != second.file.name, "but the file is looked at again"


def test_a_known_layer_is_not_written_again(tmp_path: pathlib.Path) -> None:
    made = oci.layer(files(tmp_path), tmp_path / "layers")
    made.file.write_bytes(b"kept")
    assert oci.layer(files(tmp_path), tmp_path / "layers") == made
    assert made.file.read_bytes() == b"kept"


def test_old_layers_go(tmp_path: pathlib.Path) -> None:
    for number in range(oci.KEEP + 3):
        oci.layer({"/n": str(number).encode()}, tmp_path)
    oci.tidy(tmp_path)
    assert len(list(tmp_path.glob("*.tar"))) == len(list(tmp_path.glob("*.json"))) == oci.KEEP


@pytest.mark.parametrize("content", [b"", b"not a tar"], ids=["empty", "text"])
def test_what_is_not_an_archive_is_refused(tmp_path: pathlib.Path, content: bytes) -> None:
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(ValueError, match="not an OCI archive"):
        oci.names(tmp_path / "x.tar")
