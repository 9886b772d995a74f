"""What goes into the images: libraries, Python's files, requirements."""

import importlib.metadata
import os
import pathlib
import sys
import time

import pytest

from isthmus.lab.image import catalog, closure, python_tree

LDD = """\tlinux-vdso.so.1 (0x00007fff)
\tlibm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f01)
\tlibpython3.11.so.1.0 => /opt/python/lib/libpython3.11.so.1.0 (0x00007f02)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f03)
"""


def test_libraries_of_ldd() -> None:
    found = closure.libraries(LDD)
    assert found == [
        "/lib/x86_64-linux-gnu/libm.so.6",
        "/opt/python/lib/libpython3.11.so.1.0",
        "/lib64/ld-linux-x86-64.so.2",
    ]


@pytest.mark.parametrize(
    "path, target",
    [
        ("/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib/x86_64-linux-gnu/libm.so.6"),
        ("/usr/lib/libz.so.1", "/usr/lib/libz.so.1"),
        ("/opt/python/lib/libpython3.11.so.1.0", f"{closure.OWN_LIBRARIES}/libpython3.11.so.1.0"),
    ],
)
def test_where_a_library_goes(path: str, target: str) -> None:
    assert closure.target(path) == target


def test_a_missing_library_is_named() -> None:
    with pytest.raises(closure.Missing, match=r"libseccomp\.so\.2"):
        closure.libraries("\tlibseccomp.so.2 => not found\n")


def test_this_pythons_libraries_exist() -> None:
    found = closure.of([pathlib.Path(sys.executable).resolve()])
    assert any("libc.so" in path for path in found)
    assert all(file.is_file() for file in found.values())


def test_a_tool_that_is_not_there_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(closure.Missing, match="nft-of-nowhere"):
        closure.tools(["nft-of-nowhere"], [tmp_path])


def test_requirements_bring_their_own() -> None:
    names = {
        dist.metadata["Name"].lower()
        for dist in python_tree.required(["uvicorn>=0.1", "pytest; extra == 'dev'", "not-installed-anywhere"])
    }
    assert {"uvicorn", "click", "h11"} <= names
    assert "pytest" not in names


def test_roots_come_from_the_checkout_first(tmp_path: pathlib.Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\ndependencies = ["click>=8"]\n')
    assert python_tree.roots(tmp_path) == ["click>=8"]


def test_a_tree_has_bytecode_and_no_tests(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "room"
    for name in ("room/a.py", "room/tests/test_a.py", "room/_tkinter.so", "room/data.json", "room/__pycache__/old.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1\n")
    found = python_tree.tree(source, "/x", tmp_path / "cache", skip=python_tree.SKIP)
    assert set(found) == {"/x/a.py", f"/x/__pycache__/a.{sys.implementation.cache_tag}.opt-2.pyc", "/x/data.json"}


def test_bytecode_follows_its_source(tmp_path: pathlib.Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    first = python_tree.bytecode(source, "/x/a.py", tmp_path / "cache")
    source.write_text("x = 22\n")
    second = python_tree.bytecode(source, "/x/a.py", tmp_path / "cache")
    assert first and second and first != second
    assert [f.name for f in second.parent.iterdir()] == [second.name], "the old one is gone"


def test_a_source_that_does_not_compile_goes_without(tmp_path: pathlib.Path) -> None:
    (tmp_path / "bad.py").write_text("def (:\n")
    assert python_tree.bytecode(tmp_path / "bad.py", "/x/bad.py", tmp_path / "cache") is None


def test_an_image_whose_program_is_missing_says_which(tmp_path: pathlib.Path) -> None:
    places = catalog.Places(tmp_path / "isthmus", tmp_path / "bin", tmp_path / "cache")
    with pytest.raises(closure.Missing, match="demo"):
        catalog.one(places, "demo")
    with pytest.raises(closure.Missing, match="no-such-program"):
        catalog.binary(places, "no-such-program")


def test_images_that_were_left_out_are_known(tmp_path: pathlib.Path) -> None:
    made = [
        catalog.Image(tmp_path, (f"localhost/{name}:0.1.0",)) for name in ("pause", "isthmus-control", "isthmus-demo")
    ]
    assert catalog.lost(made) == ["isthmus-proxy"]


def test_the_name_changes_with_the_content(tmp_path: pathlib.Path) -> None:
    places = catalog.Places(tmp_path / "isthmus", tmp_path / "bin", tmp_path / "cache")
    places.bin.mkdir()
    (places.bin / "demo").write_bytes(b"one")
    first = catalog.one(places, "demo")
    assert catalog.one(places, "demo") == first
    (places.bin / "demo").write_bytes(b"other")
    second = catalog.one(places, "demo")
    assert first.names[0] == second.names[0]
    assert first.names[1] != second.names[1]


def test_an_old_archive_goes_when_nobody_reads_it_any_more(tmp_path: pathlib.Path) -> None:
    places = catalog.Places(tmp_path / "isthmus", tmp_path / "bin", tmp_path / "cache")
    places.cache.mkdir()
    for name, age in (("old", catalog.STILL_READ + 9), ("young", 0)):
        file = places.cache / f"isthmus-demo-{name}.tar"
        file.touch()
        os.utime(file, (time.time() - age, time.time() - age))
    places.bin.mkdir()
    (places.bin / "demo").write_bytes(b"one")
    made = catalog.one(places, "demo").archive
    assert set(places.cache.glob("isthmus-demo-*.tar")) == {made, places.cache / "isthmus-demo-young.tar"}


def test_metadata_of_the_requirements_is_in_the_image() -> None:
    dist = importlib.metadata.distribution("click")
    assert any("dist-info/METADATA" in str(file) for file in dist.files or ())
